import { fail } from './errors.ts';
import { typeTest } from './match.ts';
import { Doc, type Plain, typeName, type Value } from './value.ts';
import { equal } from './value-order.ts';

/** Why a document fails a schema, in the shape of MongoDB's errInfo.details; undefined = it passes. */
type Verdict = { [key: string]: Plain } | undefined;
export type SchemaTest = (value: Value) => Verdict;

/** `$jsonSchema` with bsonType, required, properties and enum. Anything else is refused, not ignored. */
export function compileSchema(schema: Value): SchemaTest {
  if (!(schema instanceof Doc)) return fail(14, '$jsonSchema must be an object');
  const tests = schema.fields.map(({ name, value: operand }): SchemaTest => {
    const keyword = Object.hasOwn(KEYWORDS, name) ? KEYWORDS[name] : undefined;
    const test = keyword ? keyword(operand) : fail(9, `Unknown $jsonSchema keyword: ${name}`);
    return value => {
      const reason = test(value);
      return reason && { operatorName: name, ...reason };
    };
  });
  return value => {
    const reasons = tests.map(test => test(value)).filter(reason => reason !== undefined);
    return reasons.length ? { operatorName: '$jsonSchema', schemaRulesNotSatisfied: reasons } : undefined;
  };
}

const KEYWORDS: Record<string, (operand: Value) => SchemaTest> = {
  bsonType(operand) {
    const test = typeTest(operand);
    const why = { specifiedAs: { bsonType: operand }, reason: 'type did not match' };
    return value => (test(value) ? undefined : { ...why, consideredType: typeName(value) });
  },
  enum(operand) {
    if (!Array.isArray(operand) || operand.length === 0)
      return fail(9, "$jsonSchema keyword 'enum' must be a non-empty array");
    const why = { specifiedAs: { enum: operand }, reason: 'value was not found in enum' };
    return value => (operand.some(item => equal(item, value)) ? undefined : why);
  },
  required(operand) {
    if (!Array.isArray(operand) || operand.length === 0 || !operand.every(name => typeof name === 'string'))
      return fail(9, "$jsonSchema keyword 'required' must be a non-empty array of strings");
    return value => {
      const missing = value instanceof Doc ? operand.filter(name => !value.has(name)) : [];
      return missing.length ? { specifiedAs: { required: operand }, missingProperties: missing } : undefined;
    };
  },
  properties(operand) {
    if (!(operand instanceof Doc)) return fail(14, "$jsonSchema keyword 'properties' must be an object");
    const schemas = operand.fields.map(({ name, value }) => ({ name, test: compileSchema(value) }));
    return value => {
      const wrong = schemas.flatMap(({ name, test }) => {
        const member = value instanceof Doc ? value.get(name) : undefined;
        const verdict = member === undefined ? undefined : test(member);
        return verdict ? [{ propertyName: name, details: verdict.schemaRulesNotSatisfied }] : [];
      });
      return wrong.length ? { propertiesNotSatisfied: wrong } : undefined;
    };
  },
};
