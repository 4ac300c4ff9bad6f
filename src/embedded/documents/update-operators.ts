import { Double, Timestamp } from 'bson';
import { fail, unsupported } from './errors.ts';
import { asNumber, Doc, show, typeName, type Value } from './value.ts';
import { compare } from './value-order.ts';
import { words } from './words.ts';

/** What an update is applied in. */
export interface Situation {
  readonly now: Date;
  readonly inserting: boolean;
}

/** Computes the new value at a path from the old one; undefined = missing. */
export type Change = (old: Value | undefined, situation: Situation) => Value | undefined;

export const UNSUPPORTED = new Set(words('$mul $bit $pop $pull $pullAll $addToSet $rename'));

/** Makes an operator's change from its operand. */
export const operators: Record<string, (operand: Value, path: string) => Change> = {
  $set: operand => () => operand,
  $setOnInsert: operand => () => operand,
  $unset: () => () => undefined,
  $inc: increment,
  $min: operand => old => (old === undefined || compare(operand, old) < 0 ? operand : old),
  $max: operand => old => (old === undefined || compare(operand, old) > 0 ? operand : old),
  $currentDate(operand) {
    const type = operand instanceof Doc && operand.fields.length === 1 ? operand.get('$type') : undefined;
    if (typeof operand !== 'boolean' && type !== 'date' && type !== 'timestamp')
      return fail(2, `$currentDate wants true or {$type: 'date'} or {$type: 'timestamp'}, not ${show(operand)}`);
    const stamp = (now: Date) => new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 });
    return (_old, { now }) => (type === 'timestamp' ? stamp(now) : now);
  },
  $push,
};

const INT32 = 2n ** 31n;
const INT64 = 2n ** 63n;

/** int32 grows to int64, int64 must not overflow, a double makes the result double. */
function increment(operand: Value, path: string): Change {
  const by = asNumber(operand);
  if (by === undefined) return fail(14, `Cannot increment with non-numeric argument: {${path}: ${typeName(operand)}}`);
  return old => {
    if (old === undefined) return operand;
    const from = asNumber(old);
    if (from === undefined) return fail(14, `Cannot apply $inc to '${path}' of non-numeric type ${typeName(old)}`);
    if (typeof old === 'object' || typeof operand === 'object') return new Double(from + by);
    const result = BigInt(old as number) + BigInt(operand as number);
    if (result >= INT64 || result < -INT64)
      return fail(2, `Failed to apply $inc operations to current value (NumberLong): overflow at '${path}'`);
    const long = typeof old === 'bigint' || typeof operand === 'bigint' || result >= INT32 || result < -INT32;
    return long ? result : Number(result);
  };
}

function $push(operand: Value, path: string): Change {
  const arrayAt = (old: Value | undefined): Value[] =>
    old === undefined || Array.isArray(old)
      ? (old ?? [])
      : fail(2, `Cannot apply $push to non-array field '${path}' of type ${typeName(old)}`);
  const items = operand instanceof Doc ? operand.get('$each') : undefined;
  if (items === undefined) return old => [...arrayAt(old), operand];
  if (!Array.isArray(items)) return fail(2, `The argument to $each in $push must be an array: ${typeName(items)}`);
  for (const { name } of (operand as Doc).fields) {
    if (name === '$position' || name === '$sort') unsupported(`${name} of $push`);
    if (name !== '$each' && name !== '$slice') fail(2, `Unrecognized clause in $push: ${name}`);
  }
  const given = (operand as Doc).get('$slice');
  const slice = asNumber(given);
  if (given !== undefined && !Number.isInteger(slice)) fail(2, `$slice must be an integer: ${typeName(given)}`);
  return old => {
    const next = [...arrayAt(old), ...items];
    if (slice === undefined) return next;
    return slice < 0 ? next.slice(slice) : next.slice(0, slice);
  };
}
