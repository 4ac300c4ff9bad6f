import { Double } from 'bson';
import { fail } from './errors.ts';
import { typeName } from './match-operators.ts';
import type { Change } from './update-paths.ts';
import { asNumber, Doc, type Value } from './value.ts';

const INT32 = 2n ** 31n;
const INT64 = 2n ** 63n;

/** $inc and $mul: int32 grows to int64, int64 must not overflow, a double makes the result double. */
export function arithmetic(name: '$inc' | '$mul', operand: Value, path: string): Change {
  if (asNumber(operand) === undefined)
    return fail(
      14,
      `Cannot ${name === '$inc' ? 'increment' : 'multiply'} with non-numeric argument: {${path}: ${typeName(operand)}}`,
    );
  return old => {
    if (old === undefined) return name === '$inc' ? operand : combine('$mul', zeroLike(operand), operand, path);
    if (asNumber(old) === undefined)
      return fail(
        14,
        `Cannot apply ${name} to a value of non-numeric type. The field '${path}' has non-numeric type ${typeName(old)}`,
      );
    return combine(name, old, operand, path);
  };
}

const zeroLike = (value: Value): Value =>
  typeof value === 'bigint' ? 0n : value instanceof Double ? new Double(0) : 0;

function combine(name: '$inc' | '$mul', a: Value, b: Value, path: string): Value {
  if (!isInteger(a) || !isInteger(b)) {
    const x = asNumber(a) as number;
    const y = asNumber(b) as number;
    return new Double(name === '$inc' ? x + y : x * y);
  }
  const result = name === '$inc' ? BigInt(a) + BigInt(b) : BigInt(a) * BigInt(b);
  if (result >= INT64 || result < -INT64)
    return fail(
      2,
      `Failed to apply ${name} operations to current value (NumberLong) for document: overflow at '${path}'`,
    );
  if (typeof a === 'bigint' || typeof b === 'bigint' || result >= INT32 || result < -INT32) return result;
  return Number(result);
}

const isInteger = (value: Value): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

export function bitwise(operand: Value, path: string): Change {
  if (!(operand instanceof Doc) || !operand.first)
    return fail(
      2,
      `The $bit modifier is not compatible with a ${typeName(operand)}. You must pass in an embedded document`,
    );
  for (const { name, value } of operand.fields) {
    if (!['and', 'or', 'xor'].includes(name))
      fail(2, `The $bit modifier only supports 'and', 'or', and 'xor', not '${name}'`);
    if (!isInteger(value))
      fail(2, `The $bit modifier field must be an Integer(32/64 bit); a '${typeName(value)}' is not supported here`);
  }
  return old => {
    let value: Value = old ?? 0;
    for (const { name, value: mask } of operand.fields) {
      if (!isInteger(value))
        return fail(2, `Cannot apply $bit to a value of non-integral type at '${path}': ${typeName(value)}`);
      const x: bigint = BigInt(value);
      const y: bigint = BigInt(mask as number | bigint);
      const result: bigint = name === 'and' ? x & y : name === 'or' ? x | y : x ^ y;
      value = typeof value === 'bigint' || typeof mask === 'bigint' ? result : Number(result);
    }
    return value;
  };
}
