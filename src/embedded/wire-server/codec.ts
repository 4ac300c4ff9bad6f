import { Binary, type Decimal128, Double, deserialize, serialize, Timestamp } from 'bson';
import { CommandError } from './errors.ts';
import { Doc, Field, Oid, typeOf, type Value } from './value.ts';

/** Nested deeper than this nothing is accepted, as in MongoDB: it bounds every recursion. */
const MAX_DEPTH = 200;

const corrupt = (why: string) => new CommandError(22, `invalid BSON: ${why}`);

/** Checks all that arrived in a command, down to the last element, so that nothing broken can be stored. */
export function checkDeep(doc: Doc, depth = 0): void {
  if (depth > MAX_DEPTH) throw new CommandError(15, `cannot nest documents deeper than ${MAX_DEPTH} levels`);
  for (const field of doc.fields) {
    const { buf, from, at } = field;
    if (!buf && Array.isArray(field.value)) for (const item of field.value) checkDeep(item as Doc, depth + 1);
    else if (buf && (buf[from] === 3 || buf[from] === 4)) checkDeep(Doc.read(buf, at), depth + 1);
  }
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
  const size = at + 5 > buf.length ? 0 : buf.readInt32LE(at);
  const end = at + size - 1;
  if (size < 5 || end >= buf.length || buf[end] !== 0) throw corrupt(`document size ${size}`);
  const fields: Field[] = [];
  for (let pos = at + 4; pos < end; ) {
    const from = pos;
    const type = buf[pos] as number;
    const name = readName(buf, pos + 1);
    const start = nameEnd;
    pos = valueEnd(buf, type, start);
    if (pos > end) throw corrupt(`a value of type ${type} is longer than its document`);
    fields.push(new Field(name, undefined, buf, from, start, pos));
  }
  return fields;
}

/** Bytes of a value by its type; those with a length of their own have what to add to it, and 100. */
const SIZES = new Uint8Array(256).fill(255);
for (const type of [0x0a, 0x7f, 0xff]) SIZES[type] = 0;
for (const type of [0x01, 0x09, 0x11, 0x12]) SIZES[type] = 8;
for (const type of [0x02, 0x0d, 0x0e]) SIZES[type] = 104;
for (const type of [0x03, 0x04, 0x0f]) SIZES[type] = 100;
SIZES.set([105, 0, 12, 1], 0x05);
SIZES[0x10] = 4;
SIZES[0x13] = 16;

function valueEnd(buf: Buffer, type: number, at: number): number {
  const size = SIZES[type] as number;
  if (size < 100) return at + size;
  if (type === 0x0b) return buf.indexOf(0, buf.indexOf(0, at) + 1) + 1;
  if (size === 255) throw corrupt(`unknown type ${type}`);
  const own = at + 4 > buf.length ? -1 : buf.readInt32LE(at);
  if (own < 0) throw corrupt(`a value of type ${type} with the size ${own}`);
  return at + own + size - 100;
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
      return readFields(buf, at).map(field => field.value);
    case 0x05:
      return new Binary(Buffer.from(buf.subarray(at + 5, to)), buf[at + 4] as number);
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
    case 0x11:
      return new Timestamp({ t: buf.readUInt32LE(at + 4), i: buf.readUInt32LE(at) });
    case 0x12:
      return buf.readBigInt64LE(at);
    case 0x0f:
      throw corrupt('code with a scope is not supported');
    default: {
      const wrapped = Buffer.concat([Buffer.from([0, 0, 0, 0, type, 0x76, 0]), buf.subarray(at, to), Buffer.alloc(1)]);
      wrapped.writeInt32LE(wrapped.length);
      return deserialize(wrapped, { promoteValues: false, bsonRegExp: true }).v as Decimal128;
    }
  }
}

const MOST_KEPT = 4 * 1024 * 1024;

/** Writes BSON into one growing buffer. */
export class Writer {
  buf: Buffer;
  pos = 0;
  #depth = 0;

  constructor(size = 1024) {
    this.buf = Buffer.allocUnsafeSlow(size);
  }

  /** What was written; valid until the next write. */
  get bytes(): Buffer {
    return this.buf.subarray(0, this.pos);
  }

  reset(): void {
    // One huge message must not keep its room for ever.
    if (this.buf.length > MOST_KEPT) this.buf = Buffer.allocUnsafeSlow(64 * 1024);
    this.pos = 0;
    this.#depth = 0;
  }

  #room(bytes: number): Buffer {
    if (this.pos + bytes > this.buf.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, this.pos + bytes));
      this.buf.copy(bigger, 0, 0, this.pos);
      this.buf = bigger;
    }
    return this.buf;
  }

  int32(value: number): void {
    this.pos = this.#room(4).writeInt32LE(value, this.pos);
  }

  byte(value: number): void {
    this.#room(1)[this.pos++] = value;
  }

  #copy(from: Buffer | Uint8Array, start: number, end: number): void {
    this.#room(end - start).set(from.subarray(start, end), this.pos);
    this.pos += end - start;
  }

  latin1(bytes: string): void {
    this.#room(bytes.length).write(bytes, this.pos, 'latin1');
    this.pos += bytes.length;
  }

  #cstring(text: string): void {
    const buf = this.#room(text.length * 3 + 1);
    let { pos } = this;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c > 127) {
        pos = this.pos + buf.write(text, this.pos);
        break;
      }
      buf[pos++] = c;
    }
    buf[pos++] = 0;
    this.pos = pos;
  }

  /** Untouched neighbours of one source buffer are copied as one range. */
  document(value: Doc): void {
    if (value.raw !== undefined) {
      this.latin1(value.raw);
      return;
    }
    const { fields } = value;
    this.#nested(() => {
      for (let i = 0; i < fields.length; i++) {
        const field = fields[i] as Field;
        let last = field;
        if (field.buf === null) {
          this.#element(field.name, field.value);
          continue;
        }
        for (let next = fields[i + 1]; next && next.buf === field.buf && next.from === last.to; next = fields[++i + 1])
          last = next;
        this.#copy(field.buf, field.from, last.to);
      }
    });
  }

  #nested(contents: () => void): void {
    if (++this.#depth > MAX_DEPTH) throw new Error('document nested too deeply');
    const start = this.pos;
    this.int32(0);
    contents();
    this.byte(0);
    this.buf.writeInt32LE(this.pos - start, start);
    this.#depth--;
  }

  #element(name: string, value: Value): void {
    const type = typeOf(value).number;
    this.byte(type & 255);
    this.#cstring(name);
    const write = WRITERS[type];
    if (write) write(this, value);
    else this.rare(value);
  }

  string(text: string): void {
    const size = this.#room(text.length * 3 + 5).write(text, this.pos + 4);
    this.buf.writeInt32LE(size + 1, this.pos);
    this.pos += size + 4;
    this.byte(0);
  }

  int64(value: bigint): void {
    this.pos = this.#room(8).writeBigInt64LE(value, this.pos);
  }

  date(value: number): void {
    const high = Math.floor(value / 4294967296);
    this.#room(8).writeUInt32LE(value - high * 4294967296, this.pos);
    this.pos = this.buf.writeInt32LE(high, this.pos + 4);
  }

  double(value: number): void {
    this.pos = this.#room(8).writeDoubleLE(value, this.pos);
  }

  array(values: Value[]): void {
    this.#nested(() => {
      for (let i = 0; i < values.length; i++) this.#element(String(i), values[i] as Value);
    });
  }

  rare(value: Value): void {
    const wrapped = serialize({ v: value });
    this.#copy(wrapped, 7, wrapped.length - 1);
  }
}

/** By type; the others are written by the bson library. */
const WRITERS: Record<number, (writer: Writer, value: Value) => void> = {
  1: (writer, value) => writer.double((value as Double).value),
  2: (writer, value) => writer.string(value as string),
  3: (writer, value) => writer.document(value as Doc),
  4: (writer, value) => writer.array(value as Value[]),
  7: (writer, value) => writer.latin1((value as Oid).bytes),
  8: (writer, value) => writer.byte(value ? 1 : 0),
  9: (writer, value) => writer.date((value as Date).getTime()),
  10: () => undefined,
  16: (writer, value) => writer.int32(value as number),
  18: (writer, value) => writer.int64(value as bigint),
};

const scratch = new Writer(64 * 1024);

/** The bytes of a document as the store keeps them. */
export function toBytes(value: Doc): string {
  if (value.raw !== undefined) return value.raw;
  scratch.reset();
  scratch.document(value);
  return scratch.buf.toString('latin1', 0, scratch.pos);
}
