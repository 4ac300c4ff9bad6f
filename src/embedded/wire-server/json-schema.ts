import { fail } from './errors.ts';
import { typeName, typeTest } from './match-operators.ts';
import { Doc, type Plain, type Value } from './value.ts';
import { equal } from './value-order.ts';

/** Why a document fails a schema, in the shape of MongoDB's errInfo.details; undefined = it passes. */
type Verdict = { [key: string]: Plain } | undefined;
export type SchemaTest = (value: Value) => Verdict;

/** `$jsonSchema` with bsonType, required, properties and enum. Anything else is refused, not ignored. */
export function compileSchema(schema: Doc): SchemaTest {
  const tests = schema.fields.map(({ name, value }) => compileKeyword(name, value));
  return value => {
    const reasons = tests.map(test => test(value)).filter(reason => reason !== undefined);
    return reasons.length ? { operatorName: '$jsonSchema', schemaRulesNotSatisfied: reasons } : undefined;
  };
}

function compileKeyword(name: string, operand: Value): SchemaTest {
  switch (name) {
    case 'bsonType': {
      const test = typeTest(operand);
      return value =>
        test(value)
          ? undefined
          : {
              operatorName: name,
              specifiedAs: { bsonType: operand },
              reason: 'type did not match',
              consideredType: typeName(value),
            };
    }
    case 'required':
      return required(operand);
    case 'properties':
      return properties(operand);
    case 'enum':
      if (!Array.isArray(operand) || operand.length === 0)
        return fail(9, "$jsonSchema keyword 'enum' must be a non-empty array");
      return value =>
        operand.some(item => equal(item, value))
          ? undefined
          : { operatorName: name, specifiedAs: { enum: operand }, reason: 'value was not found in enum' };
    case 'title':
    case 'description':
      return () => undefined;
    default:
      return fail(9, `Unknown $jsonSchema keyword: ${name}`);
  }
}

function required(operand: Value): SchemaTest {
  if (!Array.isArray(operand) || operand.length === 0 || !operand.every(name => typeof name === 'string')) {
    return fail(9, "$jsonSchema keyword 'required' must be a non-empty array of strings");
  }
  return value => {
    if (!(value instanceof Doc)) return undefined;
    const missing = operand.filter(name => !value.has(name as string));
    return missing.length
      ? { operatorName: 'required', specifiedAs: { required: operand }, missingProperties: missing }
      : undefined;
  };
}

function properties(operand: Value): SchemaTest {
  if (!(operand instanceof Doc)) return fail(14, "$jsonSchema keyword 'properties' must be an object");
  const schemas = operand.fields.map(({ name, value }) => {
    if (!(value instanceof Doc)) return fail(14, `Nested schema for $jsonSchema property '${name}' must be an object`);
    return { name, test: compileSchema(value) };
  });
  return value => {
    if (!(value instanceof Doc)) return undefined;
    const wrong = schemas.flatMap(({ name, test }) => {
      const member = value.get(name);
      const verdict = member === undefined ? undefined : test(member);
      return verdict ? [{ propertyName: name, details: verdict.schemaRulesNotSatisfied }] : [];
    });
    return wrong.length ? { operatorName: 'properties', propertiesNotSatisfied: wrong } : undefined;
  };
}
