import { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, MaxKey, MinKey, Timestamp } from 'bson';
import { CommandError } from './errors.ts';
import { Doc, Field, Oid, type Value } from './value.ts';

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

/** The elements of a document, not yet decoded. */
export function readFields(buf: Buffer, at: number): Field[] {
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
  return fields;
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

export function readValue(buf: Buffer, type: number, at: number, to: number): Value {
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
