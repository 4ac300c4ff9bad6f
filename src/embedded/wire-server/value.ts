import {
  type Binary,
  type BSONRegExp,
  type BSONSymbol,
  type Code,
  Decimal128,
  Double,
  type MaxKey,
  type MinKey,
  type Timestamp,
} from 'bson';
import { readFields, readValue } from './value-read.ts';

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
    return new Doc(readFields(buf, at));
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
