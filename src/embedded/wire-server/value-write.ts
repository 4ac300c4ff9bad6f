import { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, MaxKey, MinKey, Timestamp } from 'bson';
import { Doc, type Field, Oid, RawDoc, type Value } from './value.ts';
import { MAX_DEPTH } from './value-read.ts';

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

  #room(bytes: number): void {
    if (this.pos + bytes <= this.buf.length) return;
    const bigger = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, this.pos + bytes));
    this.buf.copy(bigger, 0, 0, this.pos);
    this.buf = bigger;
  }

  int32(value: number): void {
    this.#room(4);
    this.pos = this.buf.writeInt32LE(value, this.pos);
  }

  /** An int64 of an integer below 2^53. */
  int64(value: number): void {
    this.#room(8);
    const high = Math.floor(value / 4294967296);
    this.buf.writeUInt32LE(value - high * 4294967296, this.pos);
    this.pos = this.buf.writeInt32LE(high, this.pos + 4);
  }

  byte(value: number): void {
    this.#room(1);
    this.buf[this.pos++] = value;
  }

  latin1(bytes: string): void {
    this.#room(bytes.length);
    this.buf.write(bytes, this.pos, 'latin1');
    this.pos += bytes.length;
  }

  #cstring(text: string): void {
    this.#room(text.length * 3 + 1);
    const { buf } = this;
    let { pos } = this;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c > 127) {
        this.pos += buf.write(text, this.pos);
        buf[this.pos++] = 0;
        return;
      }
      buf[pos++] = c;
    }
    buf[pos++] = 0;
    this.pos = pos;
  }

  #string(text: string): void {
    this.#room(text.length * 3 + 5);
    const size = this.buf.write(text, this.pos + 4);
    this.buf.writeInt32LE(size + 1, this.pos);
    this.pos += size + 4;
    this.buf[this.pos++] = 0;
  }

  /** Untouched neighbours of one source buffer are copied as one range. */
  document(value: Doc): void {
    if (++this.#depth > MAX_DEPTH) throw new Error('document nested too deeply');
    const start = this.pos;
    this.int32(0);
    const { fields } = value;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field;
      if (field.buf === null) {
        this.element(field.name, field.value);
        continue;
      }
      let last = field;
      for (let next = fields[i + 1]; next && next.buf === field.buf && next.from === last.to; next = fields[++i + 1])
        last = next;
      this.#room(last.to - field.from);
      this.pos += field.buf.copy(this.buf, this.pos, field.from, last.to);
    }
    this.#close(start);
    this.#depth--;
  }

  /** An embedded document that the caller fills by `element`; returns what `end` wants. */
  begin(type: 3 | 4, name: string): number {
    this.byte(type);
    this.#cstring(name);
    const start = this.pos;
    this.int32(0);
    return start;
  }

  end(start: number): void {
    this.#close(start);
  }

  #close(start: number): void {
    this.byte(0);
    this.buf.writeInt32LE(this.pos - start, start);
  }

  #array(values: Value[]): void {
    const start = this.pos;
    this.int32(0);
    for (let i = 0; i < values.length; i++) this.element(String(i), values[i] as Value);
    this.#close(start);
  }

  element(name: string, value: Value): void {
    const at = this.pos;
    this.byte(0);
    this.#cstring(name);
    const type = this.#value(value);
    this.buf[at] = type;
  }

  /** Writes the value and returns its type byte. */
  #value(value: Value): number {
    switch (typeof value) {
      case 'string':
        this.#string(value);
        return 0x02;
      case 'number':
        this.int32(value);
        return 0x10;
      case 'boolean':
        this.byte(value ? 1 : 0);
        return 0x08;
      case 'bigint':
        this.#room(8);
        this.pos = this.buf.writeBigInt64LE(value, this.pos);
        return 0x12;
      default:
        return value === null ? 0x0a : this.#object(value);
    }
  }

  #object(value: object): number {
    if (value instanceof Doc) {
      this.document(value);
      return 0x03;
    }
    if (Array.isArray(value)) {
      if (++this.#depth > MAX_DEPTH) throw new Error('document nested too deeply');
      this.#array(value as Value[]);
      this.#depth--;
      return 0x04;
    }
    if (value instanceof Oid) {
      this.latin1(value.bytes);
      return 0x07;
    }
    if (value instanceof RawDoc) {
      this.latin1(value.bytes);
      return 0x03;
    }
    if (value instanceof Date) {
      this.int64(value.getTime());
      return 0x09;
    }
    if (value instanceof Double) {
      this.#room(8);
      this.pos = this.buf.writeDoubleLE(value.value, this.pos);
      return 0x01;
    }
    return this.#rare(value);
  }

  #rare(value: object): number {
    if (value instanceof Binary) {
      const bytes = Buffer.from(value.buffer.buffer, value.buffer.byteOffset, value.position);
      this.int32(bytes.length);
      this.byte(value.sub_type);
      this.#room(bytes.length);
      this.pos += bytes.copy(this.buf, this.pos);
      return 0x05;
    }
    if (value instanceof BSONRegExp) {
      this.#cstring(value.pattern);
      this.#cstring(value.options);
      return 0x0b;
    }
    if (value instanceof Timestamp) {
      this.#room(8);
      this.buf.writeUInt32LE(value.i, this.pos);
      this.pos = this.buf.writeUInt32LE(value.t, this.pos + 4);
      return 0x11;
    }
    if (value instanceof Decimal128) {
      this.latin1(Buffer.from(value.bytes).toString('latin1'));
      return 0x13;
    }
    if (value instanceof Code) {
      this.#string(String(value.code));
      return 0x0d;
    }
    if (value instanceof BSONSymbol) {
      this.#string(value.value);
      return 0x0e;
    }
    if (value instanceof MinKey) return 0xff;
    if (value instanceof MaxKey) return 0x7f;
    throw new Error(`cannot store a ${value.constructor.name}`);
  }
}

const scratch = new Writer(64 * 1024);

/** The bytes of a document as the store keeps them. */
export function toBytes(value: Doc): string {
  scratch.reset();
  scratch.document(value);
  return scratch.buf.toString('latin1', 0, scratch.pos);
}
