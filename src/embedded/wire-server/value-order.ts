import { type Binary, type BSONRegExp, type BSONSymbol, type Code, Double, type Timestamp } from 'bson';
import { asNumber, type Doc, type Oid, ORDER, typeOrder, type Value } from './value.ts';

/** A number that JavaScript compares exactly with any other such number (bigint against number is exact). */
function comparable(value: Value): number | bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  return value instanceof Double ? value.value : (asNumber(value) ?? Number.NaN);
}

const sign = <T extends number | bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** MongoDB's total order over all values: below 0, 0 or above 0. */
export function compare(a: Value, b: Value): number {
  const order = typeOrder(a);
  const difference = order - typeOrder(b);
  if (difference || a === b) return difference;
  if (order === ORDER.objectId) return sign((a as Oid).bytes, (b as Oid).bytes);
  if (order === ORDER.date) return (a as Date).getTime() - (b as Date).getTime();
  if (order !== ORDER.number) return sign(keyOf(a), keyOf(b));
  const x = comparable(a);
  const y = comparable(b);
  return sign<number | bigint>(x, y) || Number(Number.isNaN(y)) - Number(Number.isNaN(x));
}

export const equal = (a: Value, b: Value): boolean => a === b || (typeof a !== 'string' && compare(a, b) === 0);

/** The text of a string, a symbol, or code. */
function textOf(value: Value): string {
  return typeof value === 'string' ? value : String((value as BSONSymbol).value ?? (value as Code).code);
}

// --- keys: strings of latin1 characters whose `<` is MongoDB's order ---

let key = Buffer.allocUnsafeSlow(4096);
let used = 0;

function room(bytes: number): void {
  if (used + bytes <= key.length) return;
  const bigger = Buffer.allocUnsafeSlow(Math.max(key.length * 2, used + bytes));
  key.copy(bigger, 0, 0, used);
  key = bigger;
}

function byte(value: number): void {
  room(1);
  key[used++] = value;
}

/** Self-delimiting, so that the keys of several values can simply be put one behind the other. */
export function keyOf(value: Value): string {
  used = 0;
  encode(value);
  return key.toString('latin1', 0, used);
}

interface Holder {
  readonly value: Value | undefined;
}

/** The key of several values, some descending (every bit turned round), closed by bytes as they are. */
export function keyOfAll(values: Holder[], fields: { descending: boolean }[], suffix: string): string {
  used = 0;
  for (let i = 0; i < fields.length; i++) {
    const start = used;
    encode(values[i]?.value ?? null);
    if (fields[i]?.descending) for (let at = start; at < used; at++) key[at] = 255 - (key[at] as number);
  }
  room(suffix.length);
  used += key.write(suffix, used, 'latin1');
  return key.toString('latin1', 0, used);
}

function encode(value: Value): void {
  const order = typeOrder(value);
  room(24);
  key[used++] = order;
  ENCODERS[order]?.(value);
}

const ENCODERS: Record<number, (value: Value) => void> = {
  [ORDER.number]: value => encodeNumber(comparable(value)),
  [ORDER.string]: value => encodeText(textOf(value)),
  [ORDER.code]: value => encodeText(textOf(value)),
  [ORDER.regex]: value => encodeText(`${(value as BSONRegExp).pattern}\0${(value as BSONRegExp).options}`),
  [ORDER.date]: value => encodeDouble((value as Date).getTime()),
  [ORDER.bool]: value => byte(value ? 1 : 0),
  [ORDER.objectId](value) {
    used += key.write((value as Oid).bytes, used, 'latin1');
  },
  [ORDER.object](value) {
    for (const field of (value as Doc).fields) {
      byte(typeOrder(field.value));
      encodeText(field.name);
      encode(field.value);
    }
    byte(0);
  },
  [ORDER.array](value) {
    for (const item of value as Value[]) encode(item);
    byte(0);
  },
  [ORDER.binary](value) {
    const { position, sub_type, buffer } = value as Binary;
    used = key.writeUInt32BE(position, used);
    byte(sub_type);
    room(position);
    key.set(buffer.subarray(0, position), used);
    used += position;
  },
  [ORDER.timestamp](value) {
    used = key.writeUInt32BE((value as Timestamp).t, used);
    used = key.writeUInt32BE((value as Timestamp).i, used);
  },
};

/** Negative doubles have all bits turned, positive ones the sign bit: then their bytes sort as the numbers do. */
function encodeDouble(value: number): void {
  key.writeDoubleBE(value === 0 ? 0 : value, used);
  if (Number.isNaN(value)) key.fill(0, used, used + 8);
  else if ((key[used] as number) & 0x80) for (let i = used; i < used + 8; i++) key[i] = 255 - (key[i] as number);
  else key[used] = (key[used] as number) | 0x80;
  used += 8;
}

/** A double, and how far an int64 beyond 2^53 lies from it (at most 512 either way). */
function encodeNumber(value: number | bigint): void {
  const near = Number(value);
  encodeDouble(near);
  const rest = typeof value === 'bigint' && !Number.isSafeInteger(near) ? Number(value - BigInt(near)) : 0;
  used = key.writeUInt16BE(rest + 32768, used);
}

/** UTF-8 with NUL written as 00 FF, closed by 00 00. */
function encodeText(text: string): void {
  room(text.length * 3 + 2);
  if (!text.includes('\0')) used += key.write(text, used);
  else
    for (const code of Buffer.from(text)) {
      byte(code);
      if (code === 0) byte(255);
    }
  byte(0);
  byte(0);
}

/** Where the component of a key that begins at `at` ends. */
export function componentEnd(text: string, at: number, descending: boolean): number {
  const flip = descending ? 255 : 0;
  const read = (i: number) => text.charCodeAt(i) ^ flip;
  const walkText = (from: number) => {
    let i = from;
    while (!(read(i) === 0 && read(i + 1) === 0)) i += read(i) === 0 ? 2 : 1;
    return i + 2;
  };
  const walk = (from: number): number => {
    const type = read(from);
    let i = from + 1;
    switch (type) {
      case ORDER.string:
      case ORDER.code:
      case ORDER.regex:
        return walkText(i);
      case ORDER.binary:
        return i + 5 + ((read(i) << 24) | (read(i + 1) << 16) | (read(i + 2) << 8) | read(i + 3));
      case ORDER.array:
      case ORDER.object:
        while (read(i) !== 0) i = walk(type === ORDER.object ? walkText(i + 1) : i);
        return i + 1;
      default:
        return i + (LENGTHS[type] ?? 0);
    }
  };
  return walk(at);
}

const LENGTHS: Record<number, number> = {
  [ORDER.number]: 10,
  [ORDER.objectId]: 12,
  [ORDER.date]: 8,
  [ORDER.timestamp]: 8,
  [ORDER.bool]: 1,
};

/** Every bit turned round: the order of descending keys. */
export const complement = (text: string): string =>
  Buffer.from(Buffer.from(text, 'latin1').map(byte => 255 - byte)).toString('latin1');
