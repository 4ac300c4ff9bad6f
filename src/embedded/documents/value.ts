import { Binary, BSONRegExp, type BSONValue, Decimal128, Double, MaxKey, MinKey, Timestamp, UUID } from 'bson';
import { nameAt, readFields, readValue, toUtf8 } from './codec.ts';

/**
 * A BSON value as this server holds it. Every BSON number type keeps its own JavaScript type, so that nothing is lost
 * between a read and a write: int32 is number, int64 is bigint, double is Double.
 */
export type Value = null | boolean | number | bigint | string | Date | Oid | Doc | BSONValue | Value[];

/** What `doc()` accepts: values, and plain objects where a document is meant. */
export type Plain = Value | undefined | { [key: string]: Plain } | Plain[];

/** An ObjectId as twelve latin1 characters: equality is `===` and order is `<` on `bytes`. */
export class Oid {
  readonly bytes: string;

  constructor(bytes: string) {
    this.bytes = bytes;
  }
}

/** One element of a document: decoded when somebody looks; its bytes can be copied until then, and after. */
export class Field {
  /** The document it was read from, where the element (`from`, its type) and its value (`at`) begin and end; '' = new. */
  readonly src: string;
  readonly from: number;
  readonly at: number;
  readonly to: number;
  #name: string | undefined;
  #value: Value | undefined;

  constructor(name: string | undefined, value: Value | undefined, src = '', from = 0, at = 0, to = 0) {
    this.#name = name;
    this.#value = value;
    this.src = src;
    this.from = from;
    this.at = at;
    this.to = to;
  }

  get name(): string {
    this.#name ??= nameAt(this.src, this.from, this.at);
    return this.#name;
  }

  /** Compares the bytes: most fields that are passed by on the way to one never get to know their names. */
  isNamed(name: string, utf8: string): boolean {
    if (this.#name !== undefined) return this.#name === name;
    return this.at - this.from - 2 === utf8.length && this.src.startsWith(utf8, this.from + 1);
  }

  /** The value as it was read; '' for a new one. */
  get bytes(): string {
    return this.src.slice(this.at, this.to);
  }

  get value(): Value {
    if (this.#value === undefined) this.#value = readValue(this.src, this.src.charCodeAt(this.from), this.at, this.to);
    return this.#value;
  }
}

/**
 * An ordered document. Not a JavaScript object, because those reorder integer-like keys and treat `__proto__` specially,
 * and payloads belong to the user. A nested document is never changed in place: whoever changes it sets it again in
 * its parent, which is how a parent knows that its bytes are no longer right.
 */
export class Doc {
  /** The whole document as bytes, until it is changed: copied without being decoded. */
  raw: string | undefined;
  #fields: Field[] | undefined;

  constructor(fields?: Field[], raw?: string) {
    this.#fields = fields;
    this.raw = raw;
  }

  static fromBytes(bytes: string): Doc {
    return new Doc(undefined, bytes);
  }

  get fields(): Field[] {
    this.#fields ??= this.raw === undefined ? [] : readFields(this.raw);
    return this.#fields;
  }

  get first(): Field | undefined {
    return this.fields[0];
  }

  find(name: string): Field | undefined {
    const utf8 = toUtf8(name);
    for (const field of this.fields) if (field.isNamed(name, utf8)) return field;
    return undefined;
  }

  get(name: string): Value | undefined {
    return this.find(name)?.value;
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  /** undefined removes the field. */
  set(name: string, value: Value | undefined): this {
    const { fields } = this;
    const utf8 = toUtf8(name);
    const index = fields.findIndex(field => field.isNamed(name, utf8));
    if (value !== undefined) fields[index < 0 ? fields.length : index] = new Field(name, value);
    else if (index >= 0) fields.splice(index, 1);
    this.raw = undefined;
    return this;
  }

  /** A copy that can be changed without changing this one. */
  copy(): Doc {
    return new Doc(this.fields.slice());
  }
}

/** MongoDB's order of the types; also the first byte of a key. */
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
  maxKey: 127,
} as const;

interface Type {
  readonly number: number;
  readonly name: string;
  readonly order: number;
}

/** Number and name (for `$type` and `bsonType`), place in the order, JavaScript classes. */
const TYPES: [number, string, number, ...unknown[]][] = [
  [1, 'double', ORDER.number, Double],
  [2, 'string', ORDER.string, String],
  [3, 'object', ORDER.object, Doc],
  [4, 'array', ORDER.array, Array],
  [5, 'binData', ORDER.binary, Binary, UUID],
  [7, 'objectId', ORDER.objectId, Oid],
  [8, 'bool', ORDER.bool, Boolean],
  [9, 'date', ORDER.date, Date],
  [10, 'null', ORDER.null],
  [11, 'regex', ORDER.regex, BSONRegExp],
  [16, 'int', ORDER.number, Number],
  [17, 'timestamp', ORDER.timestamp, Timestamp],
  [18, 'long', ORDER.number, BigInt],
  [19, 'decimal', ORDER.number, Decimal128],
  [-1, 'minKey', ORDER.minKey, MinKey],
  [127, 'maxKey', ORDER.maxKey, MaxKey],
];
const byClass = new Map<unknown, Type>();
/** Types by what `$type` may call them: number or name. */
export const typesByAlias = new Map<number | string, Type>();
for (const [number, name, order, ...classes] of TYPES) {
  const type = { number, name, order };
  for (const key of classes) byClass.set(key, type);
  typesByAlias.set(number, type).set(name, type);
}
const NULL = typesByAlias.get('null') as Type;

export function typeOf(value: Value): Type {
  const type = value === null ? NULL : byClass.get(value.constructor);
  if (!type) throw new Error('cannot store a value of an unknown class');
  return type;
}

export function typeOrder(value: Value): number {
  return typeof value === 'string' ? ORDER.string : typeof value === 'number' ? ORDER.number : typeOf(value).order;
}

/** The name of a value's type, for error messages. */
export const typeName = (value: Value | undefined): string => (value === undefined ? 'missing' : typeOf(value).name);

/** A value as error messages show it. */
export function show(value: Value | undefined): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[ ${value.map(show).join(', ')} ]`;
  if (value instanceof Oid) return `ObjectId('${Buffer.from(value.bytes, 'latin1').toString('hex')}')`;
  if (value instanceof Doc) return `{ ${value.fields.map(field => `${field.name}: ${show(field.value)}`).join(', ')} }`;
  return String(value as number);
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
  if (plain !== null && typeof plain === 'object' && Object.getPrototypeOf(plain) === Object.prototype)
    return doc(plain as { [key: string]: Plain });
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
  return value instanceof Decimal128 ? Number(value.toString()) : undefined;
}
