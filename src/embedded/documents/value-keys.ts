import type { Binary, BSONRegExp, Timestamp } from 'bson';
import { toUtf8 } from './codec.ts';
import { asNumber, type Doc, type Oid, ORDER, typeOrder, type Value } from './value.ts';

/*
 * Keys: strings of latin1 characters whose `<` is MongoDB's order. Every value's key is self-delimiting, so that the keys
 * of several values can simply be put one behind the other. They are put together in one buffer, which grows: strings
 * joined piece by piece would have to be copied once more.
 */

let bytes = Buffer.allocUnsafeSlow(4096);
let length = 0;

export function keyOf(value: Value): string {
  length = 0;
  putKey(value);
  return bytes.toString('latin1', 0, length);
}

interface Holder {
  readonly value: Value | undefined;
}

/** The key of several values, some descending, closed by bytes as they are. */
export function keyOfAll(values: Holder[], fields: { descending: boolean }[], suffix: string): string {
  length = 0;
  for (let i = 0; i < fields.length; i++) {
    const start = length;
    putKey(values[i]?.value ?? null);
    if (fields[i]?.descending) for (let at = start; at < length; at++) bytes[at] = (bytes[at] as number) ^ 255;
  }
  putLatin1(suffix);
  return bytes.toString('latin1', 0, length);
}

/** Every bit turned round: the order of descending keys. */
export const complement = (text: string): string =>
  Buffer.from(Buffer.from(text, 'latin1').map(byte => 255 - byte)).toString('latin1');

/** A number that JavaScript compares exactly with any other such number (bigint against number is exact). */
export const comparable = (value: Value): number | bigint =>
  typeof value === 'bigint' ? value : (asNumber(value) ?? Number.NaN);

function makeRoom(wanted: number): void {
  if (length + wanted <= bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(2 * (length + wanted));
  bytes.copy(larger, 0, 0, length);
  bytes = larger;
}

function putByte(byte: number): void {
  makeRoom(1);
  bytes[length++] = byte;
}

function putUint32(n: number): void {
  makeRoom(4);
  length = bytes.writeUInt32BE(n, length);
}

function putLatin1(text: string): void {
  makeRoom(text.length);
  for (let i = 0; i < text.length; i++) bytes[length++] = text.charCodeAt(i);
}

/** UTF-8 with NUL written as 00 FF, closed by 00 00. */
function putText(text: string): void {
  const utf8 = toUtf8(text);
  makeRoom(2 * utf8.length + 2);
  for (let i = 0; i < utf8.length; i++) {
    const byte = utf8.charCodeAt(i);
    bytes[length++] = byte;
    if (byte === 0) bytes[length++] = 255;
  }
  bytes[length++] = 0;
  bytes[length++] = 0;
}

/** Negative doubles have all bits turned, positive ones the sign bit: then their bytes sort as the numbers do. */
function putDouble(value: number): void {
  makeRoom(8);
  const start = length;
  length = bytes.writeDoubleBE(value || 0, start);
  if (value < 0) for (let at = start; at < length; at++) bytes[at] = (bytes[at] as number) ^ 255;
  else bytes[start] = Number.isNaN(value) ? 0 : (bytes[start] as number) | 0x80;
}

/** A double, and how far an int64 beyond 2^53 lies from it (at most 512 either way). */
function putNumber(value: number | bigint): void {
  const near = Number(value);
  const rest = typeof value === 'bigint' && !Number.isSafeInteger(near) ? Number(value - BigInt(near)) : 0;
  putDouble(near);
  putByte((rest + 32768) >> 8);
  putByte(rest & 255);
}

function putKey(value: Value): void {
  const order = typeOrder(value);
  putByte(order);
  switch (order) {
    case ORDER.number:
      putNumber(comparable(value));
      break;
    case ORDER.string:
      putText(value as string);
      break;
    case ORDER.object:
      for (const { name, value: inner } of (value as Doc).fields) {
        putByte(typeOrder(inner));
        putText(name);
        putKey(inner);
      }
      putByte(0);
      break;
    case ORDER.array:
      for (const item of value as Value[]) putKey(item);
      putByte(0);
      break;
    case ORDER.binary: {
      const { position, sub_type, buffer } = value as Binary;
      putUint32(position);
      putByte(sub_type);
      putLatin1(Buffer.from(buffer).toString('latin1', 0, position));
      break;
    }
    case ORDER.objectId:
      putLatin1((value as Oid).bytes);
      break;
    case ORDER.bool:
      putByte(Number(value));
      break;
    case ORDER.date:
      putDouble((value as Date).getTime());
      break;
    case ORDER.timestamp:
      putUint32((value as Timestamp).t);
      putUint32((value as Timestamp).i);
      break;
    case ORDER.regex:
      putText(`${(value as BSONRegExp).pattern}\0${(value as BSONRegExp).options}`);
      break;
    default:
  }
}

// --- reading ---

/** How long what follows the type is, where the type says it. */
const LENGTHS: Record<number, number> = {
  [ORDER.number]: 10,
  [ORDER.objectId]: 12,
  [ORDER.date]: 8,
  [ORDER.timestamp]: 8,
  [ORDER.bool]: 1,
};

/** Where the component of a key that begins at `at` ends. */
export const componentEnd = (text: string, at: number, descending: boolean): number =>
  valueEnd(text, at, descending ? 255 : 0);

function valueEnd(text: string, from: number, flip: number): number {
  const read = (i: number) => text.charCodeAt(i) ^ flip;
  const type = read(from);
  let i = from + 1;
  if (type === ORDER.string || type === ORDER.regex) return textEnd(text, i, flip);
  if (type === ORDER.binary) return i + 5 + ((read(i) << 24) | (read(i + 1) << 16) | (read(i + 2) << 8) | read(i + 3));
  if (type !== ORDER.array && type !== ORDER.object) return i + (LENGTHS[type] ?? 0);
  while (read(i) !== 0) i = valueEnd(text, type === ORDER.object ? textEnd(text, i + 1, flip) : i, flip);
  return i + 1;
}

function textEnd(text: string, from: number, flip: number): number {
  const nul = String.fromCharCode(flip);
  // Within the text no NUL is followed by another. A bound may end after the type.
  for (let i = text.indexOf(nul, from); i >= 0; i = text.indexOf(nul, i + 2))
    if (text.charCodeAt(i + 1) === flip) return i + 2;
  return text.length;
}
