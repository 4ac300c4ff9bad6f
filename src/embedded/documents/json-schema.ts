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
    const test = keyword?.(operand) ?? fail(9, `$jsonSchema keyword '${name}' is unknown or has a wrong value`);
    return value => {
      const reason = test(value);
      return reason && { operatorName: name, specifiedAs: { [name]: operand }, ...reason };
    };
  });
  return value => {
    const reasons: Verdict[] = [];
    for (const test of tests) {
      const reason = test(value);
      if (reason) reasons.push(reason);
    }
    return reasons.length ? { operatorName: '$jsonSchema', schemaRulesNotSatisfied: reasons } : undefined;
  };
}

/** undefined = the keyword cannot have such an operand. */
export const KEYWORDS: Record<string, (operand: Value) => SchemaTest | undefined> = {
  bsonType(operand) {
    const test = typeTest(operand);
    return value => (test(value) ? undefined : { reason: 'type did not match', consideredType: typeName(value) });
  },
  enum(operand) {
    if (!Array.isArray(operand) || operand.length === 0) return undefined;
    return value => (operand.some(item => equal(item, value)) ? undefined : { reason: 'value was not found in enum' });
  },
  required(operand) {
    if (!Array.isArray(operand) || !operand.every(name => typeof name === 'string')) return undefined;
    return value => {
      const missing = value instanceof Doc ? operand.filter(name => !value.has(name)) : [];
      return missing.length ? { missingProperties: missing } : undefined;
    };
  },
  properties(operand) {
    if (!(operand instanceof Doc)) return undefined;
    const schemas = new Map(operand.fields.map(({ name, value }) => [name, compileSchema(value)]));
    return value => {
      const wrong: Plain[] = [];
      for (const { name, value: member } of value instanceof Doc ? value.fields : []) {
        const verdict = schemas.get(name)?.(member);
        if (verdict) wrong.push({ propertyName: name, details: verdict.schemaRulesNotSatisfied });
      }
      return wrong.length ? { specifiedAs: undefined, propertiesNotSatisfied: wrong } : undefined;
    };
  },
};
