import { Binary, type BSONValue, Double, deserialize, serialize } from 'bson';
import { CommandError } from './errors.ts';
import { Doc, Field, Oid, typeOf, type Value } from './value.ts';

/*
 * BSON as strings of latin1 characters, one a byte. A slice of such a string costs next to nothing, so that documents are
 * read, and written again, without their values being decoded; and `<` compares them byte by byte.
 */

/** Nested deeper than this nothing is accepted, as in MongoDB: it bounds every recursion. */
const MAX_DEPTH = 200;

const corrupt = (why: string) => new CommandError(22, `invalid BSON: ${why}`);

function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new CommandError(15, `cannot nest documents deeper than ${MAX_DEPTH} levels`);
}

/** Checks all that arrived in a command, down to the last element, so that nothing broken can be stored. */
export function checkDeep(doc: Doc, depth = 0): void {
  checkDepth(depth);
  for (const field of doc.fields) {
    const { src, from } = field;
    const type = src.charCodeAt(from);
    if (type === 3) checkDeep(field.value as Doc, depth + 1);
    else if (type === 4) checkDeep(Doc.fromBytes(field.bytes), depth + 1);
    else if (!src && Array.isArray(field.value)) for (const item of field.value) checkDeep(item as Doc, depth + 1);
  }
}

// --- numbers and texts as bytes ---

const scratch = Buffer.allocUnsafeSlow(4096);

/** The same string in one piece of its own: neither a tree of parts nor a slice that keeps a whole message alive. */
export function flat(bytes: string): string {
  if (bytes.length > scratch.length) return Buffer.from(bytes, 'latin1').toString('latin1');
  return scratch.toString('latin1', 0, scratch.write(bytes, 'latin1'));
}

/** Eight bytes, written by `write` into a buffer. */
function eight(write: (to: Buffer) => void): string {
  write(scratch);
  return scratch.toString('latin1', 0, 8);
}

/** Most texts are short and plain, and for those a loop is faster than an expression. */
function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

export const toUtf8 = (text: string): string => (isAscii(text) ? text : Buffer.from(text).toString('latin1'));
const fromUtf8 = (bytes: string): string => (isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString());

export const int32 = (n: number): string =>
  String.fromCharCode(n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255);
const date = (ms: number): string => int32(ms) + int32(Math.floor(ms / 2 ** 32));
const int32At = (src: string, at: number): number =>
  src.charCodeAt(at) | (src.charCodeAt(at + 1) << 8) | (src.charCodeAt(at + 2) << 16) | (src.charCodeAt(at + 3) << 24);

// --- reading ---

/** The document that begins there. */
export function docAt(buf: Buffer, at = 0): Doc {
  const size = at + 5 > buf.length ? 0 : buf.readInt32LE(at);
  if (size < 5 || at + size > buf.length) throw corrupt(`document size ${size}`);
  return Doc.fromBytes(buf.toString('latin1', at, at + size));
}

/** The elements of a document, not yet decoded. */
export function readFields(src: string): Field[] {
  const end = src.length - 1;
  if (end < 4 || int32At(src, 0) !== src.length || src.charCodeAt(end) !== 0)
    throw corrupt(`document of ${src.length} bytes`);
  const fields: Field[] = [];
  for (let from = 4; from < end; ) {
    const type = src.charCodeAt(from);
    const at = src.indexOf('\0', from + 1) + 1;
    const to = at + sizeOf(src, type, at);
    if (!(at > 0 && to >= at && to <= end)) throw corrupt(`an element of type ${type} at byte ${from}`);
    fields.push(new Field(undefined, undefined, src, from, at, to));
    from = to;
  }
  return fields;
}

/** The name of the element that begins at `from`, its value at `at`. */
export const nameAt = (src: string, from: number, at: number): string => fromUtf8(src.slice(from + 1, at - 1));

/** Bytes of a value by its type; those with a length of their own have what to add to it, and 100. */
const SIZES: Record<number, number> = { 1: 8, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 127: 0, 255: 0 };
const COUNTED: Record<number, number> = { 2: 4, 3: 0, 4: 0, 5: 5 };

/** NaN for a type that this server does not know. */
function sizeOf(src: string, type: number, at: number): number {
  if (type === 0x0b) return src.indexOf('\0', src.indexOf('\0', at) + 1) + 1 - at;
  const own = int32At(src, at);
  return SIZES[type] ?? (own < 0 ? Number.NaN : own + (COUNTED[type] ?? Number.NaN));
}

export function readValue(src: string, type: number, at: number, to: number): Value {
  const bytes = src.slice(at, to);
  const buffer = () => Buffer.from(bytes, 'latin1');
  switch (type) {
    case 0x01:
      return new Double(buffer().readDoubleLE());
    case 0x02:
      return fromUtf8(bytes.slice(4, -1));
    case 0x03:
      return Doc.fromBytes(bytes);
    case 0x04:
      return readFields(bytes).map(field => field.value);
    case 0x05:
      return new Binary(Buffer.from(bytes.slice(5), 'latin1'), bytes.charCodeAt(4));
    case 0x07:
      return new Oid(bytes);
    case 0x08:
      return bytes !== '\0';
    case 0x09:
      return new Date(int32At(src, at + 4) * 2 ** 32 + (int32At(src, at) >>> 0));
    case 0x0a:
      return null;
    case 0x10:
      return int32At(src, at);
    case 0x12:
      return buffer().readBigInt64LE();
    default: {
      const wrapped = Buffer.from(framed(`${String.fromCharCode(type)}v\0${bytes}`), 'latin1');
      return deserialize(wrapped, { promoteValues: false, bsonRegExp: true }).v as BSONValue;
    }
  }
}

// --- writing ---

/** The bytes of a document as the store keeps them. */
export const toBytes = (doc: Doc): string => flat(encode(doc));

const framed = (elements: string): string => `${int32(elements.length + 5)}${elements}\0`;

/** What was not changed is copied. */
export function encode(doc: Doc, depth = 0): string {
  if (doc.raw !== undefined) return doc.raw;
  checkDepth(depth);
  let elements = '';
  for (const field of doc.fields)
    elements += field.src ? field.src.slice(field.from, field.to) : element(field.name, field.value, depth);
  return framed(elements);
}

function element(name: string, value: Value, depth: number): string {
  const type = typeOf(value).number;
  return `${String.fromCharCode(type & 255)}${toUtf8(name)}\0${encodeValue(type, value, depth)}`;
}

function encodeValue(type: number, value: Value, depth: number): string {
  switch (type) {
    case 1:
      return eight(to => to.writeDoubleLE((value as Double).value));
    case 2: {
      const bytes = toUtf8(value as string);
      return `${int32(bytes.length + 1)}${bytes}\0`;
    }
    case 3:
      return encode(value as Doc, depth + 1);
    case 4:
      checkDepth(depth + 1);
      return framed((value as Value[]).map((item, i) => element(String(i), item, depth + 1)).join(''));
    case 7:
      return (value as Oid).bytes;
    case 8:
      return value ? '\x01' : '\0';
    case 9:
      return date((value as Date).getTime() || 0);
    case 10:
      return '';
    case 16:
      return int32(value as number);
    case 18:
      return eight(to => to.writeBigInt64LE(value as bigint));
    default: {
      const wrapped = Buffer.from(serialize({ v: value }));
      return wrapped.toString('latin1', 7, wrapped.length - 1);
    }
  }
}
