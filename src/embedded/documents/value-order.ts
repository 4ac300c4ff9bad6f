import { Oid, ORDER, typeOrder, type Value } from './value.ts';
import { comparable, keyOf } from './value-keys.ts';

const sign = <T extends number | bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** MongoDB's total order over all values: below 0, 0 or above 0. */
export function compare(a: Value, b: Value): number {
  const order = typeOrder(a);
  const difference = order - typeOrder(b);
  if (difference || a === b) return difference;
  if (order === ORDER.date) return (a as Date).getTime() - (b as Date).getTime();
  if (order === ORDER.objectId) return sign((a as Oid).bytes, (b as Oid).bytes);
  if (order !== ORDER.number) return sign(keyOf(a), keyOf(b));
  const [x, y] = [comparable(a), comparable(b)];
  return sign<number | bigint>(x, y) || Number(Number.isNaN(y)) - Number(Number.isNaN(x));
}

export function equal(a: Value, b: Value): boolean {
  if (a === b || typeof a === 'string') return a === b;
  if (a instanceof Oid && b instanceof Oid) return a.bytes === b.bytes;
  return compare(a, b) === 0;
}
