import { randomBytes } from 'node:crypto';
import { CommandError, fail } from './errors.ts';
import { type IndexField, indexFields, keysOf } from './index-keys.ts';
import { compileSchema, type SchemaTest } from './json-schema.ts';
import { compileFilter, type Node } from './match.ts';
import { splitPath } from './paths.ts';
import { SortedKeys } from './sorted-keys.ts';
import type { Transaction } from './transaction.ts';
import { Doc, show, truthy, type Value } from './value.ts';
import { equal } from './value-order.ts';

/** One stored document. The object stays the same for the document's whole life; `bytes` changes with each update. */
export interface Rec {
  readonly idKey: string;
  /** Makes index entries of equal keys distinct, in the order of insertion. */
  readonly suffix: string;
  bytes: string;
}

export const docOf = (rec: Rec): Doc => Doc.fromBytes(rec.bytes);

/** Bytes of a record's suffix. */
const SUFFIX = 6;

let records = 0;

export function newRecord(idKey: string, bytes: string): Rec {
  const suffix = Buffer.allocUnsafe(SUFFIX);
  suffix.writeUIntBE(++records, 0, SUFFIX);
  return { idKey, bytes, suffix: suffix.toString('latin1') };
}

/** The record number that a key ends with: cheaper to look up than a piece of the string. */
function numberOf(key: string): number {
  let number = 0;
  for (let i = key.length - SUFFIX; i < key.length; i++) number = number * 256 + key.charCodeAt(i);
  return number;
}

export class Index {
  readonly spec: Doc;
  readonly name: string;
  readonly fields: IndexField[];
  readonly unique: boolean;
  readonly sparse: boolean;
  readonly partial: Node | undefined;
  /** First parts of all paths that decide about this index's keys. */
  readonly roots: Set<string>;
  readonly keys = new SortedKeys<Rec>();
  /** Unique keys (without suffix) that open transactions hold. */
  readonly reserved = new Map<string, { readonly transaction: Transaction; readonly idKey: string }>();

  constructor(spec: Doc) {
    this.spec = spec;
    this.name = spec.get('name') as string;
    this.fields = indexFields(spec.get('key') as Doc);
    this.unique = truthy(spec.get('unique')) || this.name === '_id_';
    this.sparse = truthy(spec.get('sparse'));
    const partial = spec.get('partialFilterExpression');
    this.partial = partial instanceof Doc ? compileFilter(partial) : undefined;
    this.roots = new Set([
      ...this.fields.map(field => field.parts[0] as string),
      ...(this.partial ? pathRoots(this.partial) : []),
    ]);
  }

  get multikey(): boolean {
    return this.fields.some(field => field.multikey);
  }

  /** The keys a document has here: none if the index leaves it out. */
  keysOf(doc: Doc, suffix: string): string[] {
    if (this.partial && !this.partial.test(doc)) return [];
    const { keys, missing } = keysOf(doc, this.fields, suffix);
    return missing && this.sparse ? [] : keys;
  }

  touchedBy(roots: ReadonlySet<string> | undefined): boolean {
    if (!roots) return true;
    for (const root of this.roots) if (roots.has(root)) return true;
    return false;
  }

  /** The record other than `self` that has this key already. */
  holderOf(key: string, self: Rec | undefined): Rec | undefined {
    const cursor = this.keys.cursor();
    for (let found = cursor.seek(key); found && cursor.key?.startsWith(key); found = cursor.next()) {
      if (cursor.item !== self) return cursor.item;
    }
    return undefined;
  }
}

function pathRoots(node: Node): string[] {
  return node.path === undefined ? node.children.flatMap(pathRoots) : [splitPath(node.path)[0] as string];
}

export class Collection {
  readonly db: string;
  readonly name: string;
  readonly ns: string;
  readonly uuid: Buffer;
  readonly indexes = new Map<string, Index>();
  /** In the order of insertion. */
  readonly records = new Map<string, Rec>();
  /** Documents that open transactions have written. */
  readonly locks = new Map<string, Transaction>();
  options: Doc;
  /** The open transaction that makes this collection: nobody else knows of it yet. */
  maker: Transaction | undefined;
  #validator: SchemaTest | Node | undefined;
  bytes = 0;

  constructor(db: string, name: string, options: Doc, uuid: Buffer = randomBytes(16)) {
    this.db = db;
    this.name = name;
    this.ns = `${db}.${name}`;
    this.uuid = uuid;
    this.options = options;
    this.setOptions(options);
    this.indexes.set('_id_', new Index(new Doc().set('v', 2).set('key', new Doc().set('_id', 1)).set('name', '_id_')));
  }

  setOptions(options: Doc): void {
    const validator = options.get('validator');
    const schema = validator instanceof Doc ? validator.get('$jsonSchema') : undefined;
    if (validator instanceof Doc && validator.fields.length === 1 && schema instanceof Doc)
      this.#validator = compileSchema(schema);
    else this.#validator = validator instanceof Doc && validator.first ? compileFilter(validator) : undefined;
    this.options = options;
  }

  /** Refuses a document that the collection's validator does not accept (code 121), unless it only warns. */
  validate(doc: Doc): void {
    const validator = this.#validator;
    if (!validator || this.options.get('validationAction') === 'warn' || this.options.get('validationLevel') === 'off')
      return;
    const details =
      typeof validator === 'function'
        ? validator(doc)
        : validator.test(doc)
          ? undefined
          : { operatorName: 'validator' };
    if (details) fail(121, 'Document failed validation', { errInfo: { failingDocumentId: doc.get('_id'), details } });
  }

  /** Throws 11000 for a unique key that another record has; returns a transaction that holds one, to wait for. */
  conflict(
    doc: Doc,
    self: Rec | undefined,
    idKey: string,
    touched: ReadonlySet<string> | undefined,
    mine: Transaction | undefined,
    inserting: boolean,
  ): Transaction | undefined {
    const locked = this.locks.get(idKey);
    if (locked && locked !== mine) return locked;
    for (const index of this.indexes.values()) {
      if (!index.unique || !index.touchedBy(touched)) continue;
      for (const key of index.keysOf(doc, '')) {
        const holder = index.reserved.get(key);
        if (holder && holder.transaction !== mine) return holder.transaction;
        if (holder && (holder.idKey !== idKey || inserting)) throw duplicateKey(this, index, doc);
        const other = index.holderOf(key, self);
        if (!other) continue;
        const lock = this.locks.get(other.idKey);
        if (lock && lock !== mine) return lock;
        if (!mine?.hides(this, other, index, key)) throw duplicateKey(this, index, doc);
      }
    }
    return undefined;
  }

  /** Puts `after` (encoded: `bytes`) in the place of `before`, which is what `rec` holds; either may be missing. */
  put(rec: Rec, before: Doc | undefined, after: Doc | undefined, bytes: string, touched?: ReadonlySet<string>): void {
    for (const index of this.indexes.values()) {
      if (before && after && !index.touchedBy(touched)) continue;
      const old = before ? index.keysOf(before, rec.suffix) : [];
      const now = after ? index.keysOf(after, rec.suffix) : [];
      for (const key of old) if (!now.includes(key)) index.keys.delete(key);
      for (const key of now) if (!old.includes(key)) index.keys.add(key, rec);
    }
    this.bytes += (after ? bytes.length : 0) - (before ? rec.bytes.length : 0);
    if (after) rec.bytes = bytes;
    else this.records.delete(rec.idKey);
    if (!before) this.records.set(rec.idKey, rec);
  }

  /** The same documents and indexes under another name. */
  renamed(ns: string): Collection {
    const dot = ns.indexOf('.');
    const other = new Collection(ns.slice(0, dot), ns.slice(dot + 1), this.options, this.uuid);
    for (const [idKey, rec] of this.records) other.records.set(idKey, rec);
    for (const [name, index] of this.indexes) other.indexes.set(name, index);
    other.bytes = this.bytes;
    return other;
  }

  /** Adds all records to a new index, a few milliseconds at a time. */
  async build(index: Index): Promise<void> {
    let started = performance.now();
    for (const rec of this.records.values()) {
      const document = docOf(rec);
      for (const key of index.keysOf(document, rec.suffix)) {
        if (index.unique && index.holderOf(key.slice(0, -SUFFIX), rec)) throw duplicateKey(this, index, document);
        index.keys.add(key, rec);
      }
      if (performance.now() - started < 5) continue;
      await new Promise<void>(setImmediate);
      started = performance.now();
    }
  }

  /** At recovery: fills all indexes, each from keys sorted once. A document is decoded once for all of them. */
  buildAll(): void {
    const indexes = [...this.indexes.values()];
    const keys = indexes.map((): string[] => []);
    const byNumber = new Map<number, Rec>();
    for (const rec of this.records.values()) {
      const document = docOf(rec);
      byNumber.set(numberOf(rec.suffix), rec);
      indexes.forEach((index, i) => {
        keys[i]?.push(...index.keysOf(document, rec.suffix));
      });
    }
    indexes.forEach((index, i) => {
      const sorted = (keys[i] as string[]).sort();
      index.keys.load(
        sorted,
        sorted.map(key => byNumber.get(numberOf(key)) as Rec),
      );
    });
  }
}

function duplicateKey(collection: Collection, index: Index, doc: Doc): CommandError {
  const keyValue = new Doc();
  for (const field of index.fields) {
    let value: Value | undefined = doc;
    for (const part of field.parts) value = value instanceof Doc ? value.get(part) : undefined;
    keyValue.set(field.path, value ?? null);
  }
  return new CommandError(
    11000,
    `E11000 duplicate key error collection: ${collection.ns} index: ${index.name} dup key: ${show(keyValue)}`,
    {
      keyPattern: index.spec.get('key'),
      keyValue,
    },
  );
}

/** An index by its name or its key pattern. */
export const findIndex = (collection: Collection, wanted: Value): Index | undefined =>
  [...collection.indexes.values()].find(({ name, spec }) =>
    wanted instanceof Doc ? equal(spec.get('key') as Doc, wanted) : name === wanted,
  );
