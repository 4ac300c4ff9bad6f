import { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, MinKey, Timestamp } from 'bson';
import { asNumber, Doc, Oid, RawDoc, type Value } from './value.ts';

/** MongoDB's order of the types; numbers of all types are one, and so are strings and symbols. Also the first byte of a key. */
export const ORDER = {
  minKey: 1,
  null: 5,
  number: 10,
  string: 15,
  object: 20,
  array: 25,
  binary: 30,
  objectId: 35,
  bool: 40,
  date: 45,
  timestamp: 47,
  regex: 50,
  code: 60,
  maxKey: 127,
} as const;

export function typeOrder(value: Value): number {
  switch (typeof value) {
    case 'string':
      return ORDER.string;
    case 'number':
    case 'bigint':
      return ORDER.number;
    case 'boolean':
      return ORDER.bool;
    default:
      return value === null ? ORDER.null : objectOrder(value);
  }
}

function objectOrder(value: object): number {
  if (value instanceof Oid) return ORDER.objectId;
  if (value instanceof Date) return ORDER.date;
  if (value instanceof Doc || value instanceof RawDoc) return ORDER.object;
  if (Array.isArray(value)) return ORDER.array;
  if (value instanceof Double || value instanceof Decimal128) return ORDER.number;
  if (value instanceof Binary) return ORDER.binary;
  if (value instanceof Timestamp) return ORDER.timestamp;
  if (value instanceof BSONRegExp) return ORDER.regex;
  if (value instanceof BSONSymbol) return ORDER.string;
  if (value instanceof Code) return ORDER.code;
  if (value instanceof MinKey) return ORDER.minKey;
  return ORDER.maxKey;
}

/** A number that JavaScript compares exactly with any other such number (bigint against number is exact). */
function comparable(value: Value): number | bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (value instanceof Double) return value.value;
  return asNumber(value) ?? Number.NaN;
}

const sign = <T extends number | bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

function compareNumbers(a: Value, b: Value): number {
  const x = comparable(a);
  const y = comparable(b);
  if (x < y) return -1;
  if (x > y) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(y)) - Number(Number.isNaN(x));
  return 0;
}

/** Strings compare by their UTF-8 bytes; JavaScript's own order differs only where surrogates are involved. */
function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x > 0xd7ff && y > 0xd7ff ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : x - y;
  }
  return a.length - b.length;
}

function compareDocs(a: Doc, b: Doc): number {
  for (let i = 0; ; i++) {
    const x = a.fields[i];
    const y = b.fields[i];
    if (!x || !y) return Number(Boolean(x)) - Number(Boolean(y));
    const difference =
      typeOrder(x.value) - typeOrder(y.value) || compareStrings(x.name, y.name) || compare(x.value, y.value);
    if (difference) return difference;
  }
}

function compareArrays(a: Value[], b: Value[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = compare(a[i] as Value, b[i] as Value);
    if (difference) return difference;
  }
  return a.length - b.length;
}

const bytesOf = (value: Binary): Buffer => Buffer.from(value.buffer.buffer, value.buffer.byteOffset, value.position);

function compareBinaries(a: Binary, b: Binary): number {
  return a.position - b.position || a.sub_type - b.sub_type || Buffer.compare(bytesOf(a), bytesOf(b));
}

export function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  return value instanceof BSONSymbol ? value.value : String((value as Code).code);
}

/** MongoDB's total order over all values: below 0, 0 or above 0. */
export function compare(a: Value, b: Value): number {
  const order = typeOrder(a);
  const other = typeOrder(b);
  if (order !== other) return order - other;
  switch (order) {
    case ORDER.number:
      return compareNumbers(a, b);
    case ORDER.string:
    case ORDER.code:
      return compareStrings(textOf(a), textOf(b));
    case ORDER.objectId:
      return sign((a as Oid).bytes, (b as Oid).bytes);
    case ORDER.date:
      return sign((a as Date).getTime(), (b as Date).getTime());
    case ORDER.bool:
      return Number(a) - Number(b);
    case ORDER.object:
      return compareDocs(asDoc(a), asDoc(b));
    case ORDER.array:
      return compareArrays(a as Value[], b as Value[]);
    case ORDER.binary:
      return compareBinaries(a as Binary, b as Binary);
    case ORDER.timestamp:
      return (a as Timestamp).compare(b as Timestamp);
    case ORDER.regex:
      return sign(regexText(a), regexText(b));
    default:
      return 0;
  }
}

export const equal = (a: Value, b: Value): boolean => a === b || compare(a, b) === 0;

const regexText = (value: Value): string => `${(value as BSONRegExp).pattern}\0${(value as BSONRegExp).options}`;

const asDoc = (value: Value): Doc => (value instanceof RawDoc ? Doc.fromBytes(value.bytes) : (value as Doc));

// --- keys: strings of latin1 characters whose `<` is MongoDB's order ---

let key = Buffer.allocUnsafeSlow(4096);
let used = 0;

function room(bytes: number): void {
  if (used + bytes <= key.length) return;
  const bigger = Buffer.allocUnsafeSlow(Math.max(key.length * 2, used + bytes));
  key.copy(bigger, 0, 0, used);
  key = bigger;
}

export function beginKey(): void {
  used = 0;
}

export function finishKey(): string {
  return key.toString('latin1', 0, used);
}

/** The key of one value. Self-delimiting, so that the keys of several fields can simply be put one behind the other. */
export function keyOf(value: Value): string {
  beginKey();
  addToKey(value, false);
  return finishKey();
}

/** Appends a component; a descending one has every bit turned round. */
export function addToKey(value: Value, descending: boolean): void {
  const start = used;
  encode(value);
  if (descending) for (let i = start; i < used; i++) key[i] = 255 - (key[i] as number);
}

/** Appends bytes as they are. */
export function appendToKey(bytes: string): void {
  room(bytes.length);
  used += key.write(bytes, used, 'latin1');
}

function encode(value: Value): void {
  const order = typeOrder(value);
  room(16);
  key[used++] = order;
  if (order === ORDER.number) encodeNumber(comparable(value));
  else if (order === ORDER.string || order === ORDER.code) encodeText(textOf(value));
  else if (order === ORDER.objectId) used += key.write((value as Oid).bytes, used, 'latin1');
  else if (order === ORDER.date) encodeDouble((value as Date).getTime());
  else if (order === ORDER.bool) key[used++] = value ? 1 : 0;
  else if (order === ORDER.object) encodeDoc(asDoc(value));
  else if (order === ORDER.array) {
    for (const item of value as Value[]) encode(item);
    room(1);
    key[used++] = 0;
  } else encodeRare(value, order);
}

function encodeRare(value: Value, order: number): void {
  if (order === ORDER.binary) {
    const bytes = bytesOf(value as Binary);
    used = key.writeUInt32BE(bytes.length, used);
    key[used++] = (value as Binary).sub_type;
    room(bytes.length);
    used += bytes.copy(key, used);
  } else if (order === ORDER.timestamp) {
    used = key.writeUInt32BE((value as Timestamp).t, used);
    used = key.writeUInt32BE((value as Timestamp).i, used);
  } else if (order === ORDER.regex) encodeText(regexText(value));
}

/** Negative doubles have all bits turned, positive ones the sign bit: then their bytes sort as the numbers do. */
function encodeDouble(value: number): void {
  room(10);
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
  key[used++] = (rest + 32768) >> 8;
  key[used++] = (rest + 32768) & 255;
}

/** UTF-8 with NUL written as 00 FF, closed by 00 00. */
function encodeText(text: string): void {
  room(text.length * 3 + 2);
  if (text.includes('\0')) {
    for (const byte of Buffer.from(text)) {
      room(4);
      key[used++] = byte;
      if (byte === 0) key[used++] = 255;
    }
  } else {
    used += key.write(text, used);
  }
  room(2);
  key[used++] = 0;
  key[used++] = 0;
}

function encodeDoc(value: Doc): void {
  for (const field of value.fields) {
    room(1);
    key[used++] = typeOrder(field.value);
    encodeText(field.name);
    encode(field.value);
  }
  room(1);
  key[used++] = 0;
}

/** Where the component of a key that begins at `at` ends. */
export function componentEnd(text: string, at: number, descending: boolean): number {
  const flip = descending ? 255 : 0;
  const byte = (i: number) => text.charCodeAt(i) ^ flip;
  const walkText = (from: number) => {
    let i = from;
    while (!(byte(i) === 0 && byte(i + 1) === 0)) i += byte(i) === 0 ? 2 : 1;
    return i + 2;
  };
  const walk = (from: number): number => {
    const type = byte(from);
    let i = from + 1;
    if (type === ORDER.number) return i + 10;
    if (type === ORDER.string || type === ORDER.code || type === ORDER.regex) return walkText(i);
    if (type === ORDER.objectId) return i + 12;
    if (type === ORDER.date || type === ORDER.timestamp) return i + 8;
    if (type === ORDER.bool) return i + 1;
    if (type === ORDER.binary)
      return i + 5 + ((byte(i) << 24) | (byte(i + 1) << 16) | (byte(i + 2) << 8) | byte(i + 3));
    if (type === ORDER.array || type === ORDER.object) {
      while (byte(i) !== 0) i = walk(type === ORDER.object ? walkText(i + 1) : i);
      return i + 1;
    }
    return i;
  };
  return walk(at);
}
