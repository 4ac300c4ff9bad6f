import { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, MaxKey, MinKey, Timestamp } from 'bson';
import { CommandError } from './errors.ts';

/**
 * A BSON value as this server holds it. Every BSON number type keeps its own JavaScript type, so that nothing is lost
 * between a read and a write: int32 is number, int64 is bigint, double is Double.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Double
  | Date
  | Oid
  | Doc
  | RawDoc
  | Binary
  | BSONRegExp
  | BSONSymbol
  | Code
  | Decimal128
  | MinKey
  | MaxKey
  | Timestamp
  | Value[];

/** What `doc()` accepts: values, and plain objects where a document is meant. */
export type Plain = Value | undefined | { [key: string]: Plain } | Plain[];

/** An ObjectId as twelve latin1 characters: equality is `===` and order is `<` on `bytes`. */
export class Oid {
  readonly bytes: string;

  constructor(bytes: string) {
    this.bytes = bytes;
  }

  toString(): string {
    return Buffer.from(this.bytes, 'latin1').toString('hex');
  }
}

/** A whole document as latin1 bytes, as the store keeps it: copied into replies without being decoded. */
export class RawDoc {
  readonly bytes: string;

  constructor(bytes: string) {
    this.bytes = bytes;
  }

  toString(): string {
    return String(Doc.fromBytes(this.bytes));
  }
}

/** One element of a document. It is decoded when somebody looks; until it is replaced its bytes can be copied. */
export class Field {
  readonly name: string;
  readonly type: number;
  /** Where the element (`from`, its type byte) and its value (`at`) begin and where it ends; buf is null for a new field. */
  readonly buf: Buffer | null;
  readonly from: number;
  readonly at: number;
  readonly to: number;
  #value: Value | undefined;

  constructor(name: string, value: Value | undefined, type = 0, buf: Buffer | null = null, from = 0, at = 0, to = 0) {
    this.name = name;
    this.#value = value;
    this.type = type;
    this.buf = buf;
    this.from = from;
    this.at = at;
    this.to = to;
  }

  get value(): Value {
    if (this.#value === undefined) this.#value = readValue(this.buf as Buffer, this.type, this.at, this.to);
    return this.#value;
  }
}

/**
 * An ordered document. Not a JavaScript object, because those reorder integer-like keys and treat `__proto__` specially,
 * and payloads belong to the user. A nested document is never changed in place: whoever changes it sets it again in
 * its parent, which is how a parent knows that its bytes are no longer right.
 */
export class Doc {
  readonly fields: Field[];

  constructor(fields: Field[] = []) {
    this.fields = fields;
  }

  static read(buf: Buffer, at = 0): Doc {
    const fields: Field[] = [];
    const end = documentEnd(buf, at);
    let pos = at + 4;
    while (pos < end) {
      const from = pos;
      const type = buf[pos] as number;
      const name = readName(buf, pos + 1);
      const start = nameEnd;
      pos = valueEnd(buf, type, start, end);
      fields.push(new Field(name, undefined, type, buf, from, start, pos));
    }
    return new Doc(fields);
  }

  static fromBytes(bytes: string): Doc {
    return Doc.read(Buffer.from(bytes, 'latin1'));
  }

  find(name: string): Field | undefined {
    const { fields } = this;
    for (let i = 0; i < fields.length; i++) if ((fields[i] as Field).name === name) return fields[i];
    return undefined;
  }

  get(name: string): Value | undefined {
    return this.find(name)?.value;
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  set(name: string, value: Value): this {
    const field = new Field(name, value);
    const index = this.fields.findIndex(f => f.name === name);
    if (index < 0) this.fields.push(field);
    else this.fields[index] = field;
    return this;
  }

  delete(name: string): boolean {
    const index = this.fields.findIndex(f => f.name === name);
    if (index >= 0) this.fields.splice(index, 1);
    return index >= 0;
  }

  /** A copy that can be changed without changing this one. */
  copy(): Doc {
    return new Doc(this.fields.slice());
  }

  get first(): Field | undefined {
    return this.fields[0];
  }

  /** For messages. */
  toString(): string {
    return `{ ${this.fields.map(({ name, value }) => `${name}: ${show(value)}`).join(', ')} }`;
  }
}

/** A value as error messages show it. */
export function show(value: Value | undefined): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[ ${value.map(show).join(', ')} ]`;
  if (value instanceof Oid) return `ObjectId('${String(value)}')`;
  return String(value as number | Doc);
}

/** Builds a document from an object literal; undefined members are left out. */
export function doc(plain: { [key: string]: Plain }): Doc {
  const fields: Field[] = [];
  for (const [name, value] of Object.entries(plain))
    if (value !== undefined) fields.push(new Field(name, toValue(value)));
  return new Doc(fields);
}

function toValue(plain: Plain): Value {
  if (plain === undefined) return null;
  if (Array.isArray(plain)) return plain.map(toValue);
  if (plain !== null && typeof plain === 'object' && Object.getPrototypeOf(plain) === Object.prototype) {
    return doc(plain as { [key: string]: Plain });
  }
  return plain as Value;
}

export function truthy(value: Value | undefined): boolean {
  if (value instanceof Double) return value.value !== 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== 0n;
}

/** The text of a string; '' for anything else. */
export const asText = (value: Value | undefined): string => (typeof value === 'string' ? value : '');

/** The JavaScript number of any BSON number, or undefined for what is none. */
export function asNumber(value: Value | undefined): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Double) return value.value;
  if (value instanceof Decimal128) return Number(value.toString());
  return undefined;
}

// --- reading ---

/** Nested deeper than this nothing is accepted, as in MongoDB: it bounds every recursion. */
export const MAX_DEPTH = 200;

/** Checks all that arrived in a command, down to the last element, so that nothing broken can be stored. */
export function checkDeep(doc: Doc): void {
  for (const { type, buf, at, name } of doc.fields) {
    if (buf && (type === 3 || type === 4)) checkNested(buf, at, 1);
    else if (!buf) for (const item of (doc.get(name) ?? []) as Value[]) if (item instanceof Doc) checkDeep(item);
  }
}

function checkNested(buf: Buffer, at: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new CommandError(15, `cannot nest documents deeper than ${MAX_DEPTH} levels`);
  const end = documentEnd(buf, at);
  for (let pos = at + 4; pos < end; ) {
    const type = buf[pos] as number;
    while (buf[++pos] !== 0) if (pos >= end) throw corrupt('field name without an end');
    const start = pos + 1;
    pos = valueEnd(buf, type, start, end);
    if (type === 3 || type === 4) checkNested(buf, start, depth + 1);
  }
}

const corrupt = (why: string) => new CommandError(22, `invalid BSON: ${why}`);

function documentEnd(buf: Buffer, at: number): number {
  if (at + 5 > buf.length) throw corrupt('document too short');
  const size = buf.readInt32LE(at);
  if (size < 5 || at + size > buf.length || buf[at + size - 1] !== 0) throw corrupt(`document size ${size}`);
  return at + size - 1;
}

/** Field names repeat endlessly; the table spares a new string for each. Only ASCII names go in (bytes = characters). */
const NAME_SLOTS = 4096;
const names: (string | undefined)[] = Array.from({ length: NAME_SLOTS });
/** Set by readName: the position after the name's NUL. A second result without an allocation. */
let nameEnd = 0;

function readName(buf: Buffer, at: number): string {
  let end = at;
  let hash = 0;
  let bits = 0;
  for (let c = buf[end]; c !== 0; c = buf[++end]) {
    if (c === undefined) throw corrupt('field name without an end');
    hash = (hash * 31 + c) | 0;
    bits |= c;
  }
  nameEnd = end + 1;
  if (bits > 127) return buf.toString('utf8', at, end);
  const slot = hash & (NAME_SLOTS - 1);
  const known = names[slot];
  if (known !== undefined && known.length === end - at) {
    let i = 0;
    while (i < known.length && known.charCodeAt(i) === buf[at + i]) i++;
    if (i === known.length) return known;
  }
  const name = buf.toString('latin1', at, end);
  if (name.length < 48) names[slot] = name;
  return name;
}

function sized(buf: Buffer, at: number, extra: number): number {
  if (at + 4 > buf.length) throw corrupt('truncated value');
  const size = buf.readInt32LE(at);
  if (size < 0) throw corrupt(`size ${size}`);
  return at + extra + size;
}

function valueEnd(buf: Buffer, type: number, at: number, limit: number): number {
  const end = unboundedEnd(buf, type, at);
  if (end > limit) throw corrupt(`a value of type ${type} is longer than its document`);
  return end;
}

function unboundedEnd(buf: Buffer, type: number, at: number): number {
  switch (type) {
    case 0x01:
    case 0x09:
    case 0x11:
    case 0x12:
      return at + 8;
    case 0x02:
    case 0x0d:
    case 0x0e:
      return sized(buf, at, 4);
    case 0x03:
    case 0x04:
    case 0x0f:
      return sized(buf, at, 0);
    case 0x05:
      return sized(buf, at, 5);
    case 0x06:
    case 0x0a:
    case 0x7f:
    case 0xff:
      return at;
    case 0x07:
      return at + 12;
    case 0x08:
      return at + 1;
    case 0x0b:
      return buf.indexOf(0, buf.indexOf(0, at) + 1) + 1;
    case 0x10:
      return at + 4;
    case 0x13:
      return at + 16;
    default:
      throw corrupt(`unknown type ${type}`);
  }
}

function readValue(buf: Buffer, type: number, at: number, to: number): Value {
  switch (type) {
    case 0x01:
      return new Double(buf.readDoubleLE(at));
    case 0x02:
      return buf.toString('utf8', at + 4, to - 1);
    case 0x03:
      return Doc.read(buf, at);
    case 0x04:
      return readArray(buf, at);
    case 0x07:
      return new Oid(buf.toString('latin1', at, to));
    case 0x08:
      return buf[at] !== 0;
    case 0x09:
      return new Date(buf.readInt32LE(at + 4) * 4294967296 + buf.readUInt32LE(at));
    case 0x06:
    case 0x0a:
      return null;
    case 0x10:
      return buf.readInt32LE(at);
    case 0x12:
      return buf.readBigInt64LE(at);
    default:
      return readRare(buf, type, at, to);
  }
}

function readRare(buf: Buffer, type: number, at: number, to: number): Value {
  switch (type) {
    case 0x05:
      return new Binary(Buffer.from(buf.subarray(at + 5, to)), buf[at + 4] as number);
    case 0x0b: {
      const middle = buf.indexOf(0, at);
      return new BSONRegExp(buf.toString('utf8', at, middle), buf.toString('utf8', middle + 1, to - 1));
    }
    case 0x0d:
      return new Code(buf.toString('utf8', at + 4, to - 1));
    case 0x0e:
      return new BSONSymbol(buf.toString('utf8', at + 4, to - 1));
    case 0x11:
      return new Timestamp({ t: buf.readUInt32LE(at + 4), i: buf.readUInt32LE(at) });
    case 0x13:
      return new Decimal128(Buffer.from(buf.subarray(at, to)));
    case 0x7f:
      return new MaxKey();
    case 0xff:
      return new MinKey();
    default:
      throw corrupt(`unsupported type ${type}`);
  }
}

function readArray(buf: Buffer, at: number): Value[] {
  const end = documentEnd(buf, at);
  const values: Value[] = [];
  let pos = at + 4;
  while (pos < end) {
    const type = buf[pos] as number;
    while (buf[++pos] !== 0) if (pos >= end) throw corrupt('array index without an end');
    const start = pos + 1;
    pos = valueEnd(buf, type, start, end);
    values.push(readValue(buf, type, start, pos));
  }
  return values;
}
