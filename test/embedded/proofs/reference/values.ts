import mongoose from 'mongoose';

const { BSON, Double, Int32, Long, ObjectId } = mongoose.mongo;

/** What the model knows: null, boolean, string, Date, ObjectId, Int32, Long, Double, arrays and plain objects. */
export type Value = unknown;
export type Doc = Record<string, Value>;

export type Numeric = InstanceType<typeof Int32> | InstanceType<typeof Long> | InstanceType<typeof Double>;

export function isNumeric(value: Value): value is Numeric {
  return value instanceof Int32 || value instanceof Long || value instanceof Double;
}

export function isDoc(value: Value): value is Doc {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** An integer is exact as bigint; JavaScript compares bigint and number exactly. */
export function numberOf(value: Numeric): number | bigint {
  return value instanceof Long ? value.toBigInt() : value.value;
}

/** undefined stands for an empty array in a sort: it comes before null. */
function rankOf(value: Value): number {
  if (value === undefined) return 0;
  if (value === null) return 1;
  if (isNumeric(value)) return 2;
  if (typeof value === 'string') return 3;
  if (isDoc(value)) return 4;
  if (Array.isArray(value)) return 5;
  if (value instanceof ObjectId) return 7;
  if (typeof value === 'boolean') return 8;
  if (value instanceof Date) return 9;
  throw new Error(`the model does not know such a ${typeof value}`);
}

export function sameType(a: Value, b: Value): boolean {
  return rankOf(a) === rankOf(b);
}

/** MongoDB's order of values. */
export function compare(a: Value, b: Value): number {
  const ranks = rankOf(a) - rankOf(b);
  if (ranks !== 0) return ranks;
  if (isNumeric(a) && isNumeric(b)) return order(numberOf(a), numberOf(b));
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b);
  if (isDoc(a) && isDoc(b)) return compareDocs(a, b);
  if (a instanceof Date && b instanceof Date) return order(a.getTime(), b.getTime());
  if (typeof a === 'boolean' && typeof b === 'boolean') return order(Number(a), Number(b));
  return order(String(a), String(b));
}

function order<T extends number | bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareArrays(a: readonly Value[], b: readonly Value[]): number {
  for (let n = 0; n < Math.min(a.length, b.length); n += 1) {
    const difference = compare(a[n], b[n]);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Field by field in their order: type, then name, then value. */
function compareDocs(a: Doc, b: Doc): number {
  const [left, right] = [Object.entries(a), Object.entries(b)];
  for (let n = 0; n < Math.min(left.length, right.length); n += 1) {
    const [leftName, leftValue] = left[n]!;
    const [rightName, rightValue] = right[n]!;
    const difference =
      rankOf(leftValue) - rankOf(rightValue) || order(leftName, rightName) || compare(leftValue, rightValue);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export const equal = (a: Value, b: Value): boolean => compare(a, b) === 0;

/** A copy of documents and arrays; what is in them is never changed. */
export function copy<T extends Value>(value: T): T {
  if (Array.isArray(value)) return value.map(copy) as T;
  if (!isDoc(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copy(inner)])) as T;
}

/** Same values, same BSON types, same order of fields. */
export function identical(a: Value, b: Value): boolean {
  return bytes(a).equals(bytes(b));
}

function bytes(value: Value): Buffer {
  return Buffer.from(BSON.serialize({ v: value }));
}

/** For messages: one line, with types. */
export function shown(value: Value): string {
  return BSON.EJSON.stringify(value, { relaxed: false })
    .replaceAll(/\{"\$numberInt":"(-?\d+)"\}/g, '$1')
    .replaceAll(/\{"\$numberLong":"(-?\d+)"\}/g, 'Long($1)')
    .replaceAll(/\{"\$numberDouble":"([^"]+)"\}/g, 'Double($1)');
}
