import type { Binary, BSONRegExp, Timestamp } from 'bson';
import { eight, flat, toUtf8 } from './codec.ts';
import { asNumber, type Doc, type Oid, ORDER, typeOrder, type Value } from './value.ts';

/** A number that JavaScript compares exactly with any other such number (bigint against number is exact). */
const comparable = (value: Value): number | bigint =>
  typeof value === 'bigint' ? value : (asNumber(value) ?? Number.NaN);

const sign = <T extends number | bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** MongoDB's total order over all values: below 0, 0 or above 0. */
export function compare(a: Value, b: Value): number {
  const order = typeOrder(a);
  const difference = order - typeOrder(b);
  if (difference || a === b) return difference;
  if (order === ORDER.date) return (a as Date).getTime() - (b as Date).getTime();
  if (order !== ORDER.number) return sign(keyOf(a), keyOf(b));
  const [x, y] = [comparable(a), comparable(b)];
  return sign<number | bigint>(x, y) || Number(Number.isNaN(y)) - Number(Number.isNaN(x));
}

export const equal = (a: Value, b: Value): boolean => a === b || (typeof a !== 'string' && compare(a, b) === 0);

// --- keys: strings of latin1 characters whose `<` is MongoDB's order ---

/** Self-delimiting, so that the keys of several values can simply be put one behind the other. */
export const keyOf = (value: Value): string => flat(key(value));

interface Holder {
  readonly value: Value | undefined;
}

/** The key of several values, some descending, closed by bytes as they are. */
export function keyOfAll(values: Holder[], fields: { descending: boolean }[], suffix: string): string {
  let all = '';
  for (let i = 0; i < fields.length; i++) {
    const part = key(values[i]?.value ?? null);
    all += fields[i]?.descending ? complement(part) : part;
  }
  return flat(all + suffix);
}

/** Every bit turned round: the order of descending keys. */
export const complement = (text: string): string =>
  Buffer.from(Buffer.from(text, 'latin1').map(byte => 255 - byte)).toString('latin1');

const byte = String.fromCharCode;
const uint32 = (n: number): string => byte(n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255);

function key(value: Value): string {
  const order = typeOrder(value);
  return byte(order) + keyWithin(order, value);
}

function keyWithin(order: number, value: Value): string {
  switch (order) {
    case ORDER.number:
      return numberKey(comparable(value));
    case ORDER.string:
      return textKey(value as string);
    case ORDER.object:
      return `${(value as Doc).fields.map(({ name, value: inner }) => byte(typeOrder(inner)) + textKey(name) + key(inner)).join('')}\0`;
    case ORDER.array:
      return `${(value as Value[]).map(key).join('')}\0`;
    case ORDER.binary: {
      const { position, sub_type, buffer } = value as Binary;
      return uint32(position) + byte(sub_type) + Buffer.from(buffer).toString('latin1', 0, position);
    }
    case ORDER.objectId:
      return (value as Oid).bytes;
    case ORDER.bool:
      return byte(Number(value));
    case ORDER.date:
      return doubleKey((value as Date).getTime());
    case ORDER.timestamp:
      return uint32((value as Timestamp).t) + uint32((value as Timestamp).i);
    case ORDER.regex:
      return textKey(`${(value as BSONRegExp).pattern}\0${(value as BSONRegExp).options}`);
    default:
      return '';
  }
}

/** Negative doubles have all bits turned, positive ones the sign bit: then their bytes sort as the numbers do. */
const doubleKey = (value: number): string =>
  eight(to => {
    to.writeDoubleBE(value || 0);
    const flip = value < 0 ? 255 : 0;
    for (let i = 0; flip && i < 8; i++) to[i] = (to[i] as number) ^ flip;
    if (!flip) to[0] = Number.isNaN(value) ? 0 : (to[0] as number) | 0x80;
  });

/** A double, and how far an int64 beyond 2^53 lies from it (at most 512 either way). */
function numberKey(value: number | bigint): string {
  const near = Number(value);
  const rest = typeof value === 'bigint' && !Number.isSafeInteger(near) ? Number(value - BigInt(near)) : 0;
  return doubleKey(near) + byte((rest + 32768) >> 8, rest & 255);
}

/** UTF-8 with NUL written as 00 FF, closed by 00 00. */
const textKey = (text: string): string => `${toUtf8(text).replaceAll('\0', '\0\xff')}\0\0`;

/** How long what follows the type is, where the type says it. */
const LENGTHS: Record<number, number> = {
  [ORDER.number]: 10,
  [ORDER.objectId]: 12,
  [ORDER.date]: 8,
  [ORDER.timestamp]: 8,
  [ORDER.bool]: 1,
};

/** Where the component of a key that begins at `at` ends. */
export function componentEnd(text: string, at: number, descending: boolean): number {
  const flip = descending ? 255 : 0;
  const read = (i: number) => text.charCodeAt(i) ^ flip;
  const afterText = (from: number) => {
    let i = from;
    while (!(read(i) === 0 && read(i + 1) === 0)) i += read(i) === 0 ? 2 : 1;
    return i + 2;
  };
  const afterValue = (from: number): number => {
    const type = read(from);
    let i = from + 1;
    if (type === ORDER.string || type === ORDER.regex) return afterText(i);
    if (type === ORDER.binary)
      return i + 5 + ((read(i) << 24) | (read(i + 1) << 16) | (read(i + 2) << 8) | read(i + 3));
    if (type !== ORDER.array && type !== ORDER.object) return i + (LENGTHS[type] ?? 0);
    while (read(i) !== 0) i = afterValue(type === ORDER.object ? afterText(i + 1) : i);
    return i + 1;
  };
  return afterValue(at);
}
