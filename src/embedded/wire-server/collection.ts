import { type Binary, UUID } from 'bson';
import { toBytes } from '../documents/codec.ts';
import { CommandError, fail, unsupported } from '../documents/errors.ts';
import { type IndexField, indexFields, keysOf } from '../documents/index-keys.ts';
import { compileSchema, type SchemaTest } from '../documents/json-schema.ts';
import { compileFilter, type Node } from '../documents/match.ts';
import { splitPath } from '../documents/paths.ts';
import { SortedKeys } from '../documents/sorted-keys.ts';
import { Doc, doc, show, truthy, type Value } from '../documents/value.ts';
import { equal } from '../documents/value-order.ts';

/** One stored document. The object stays the same for the document's whole life; `bytes` changes with each update. */
export interface Rec {
  readonly idKey: string;
  /** Makes index entries of equal keys distinct, in the order of insertion. */
  readonly suffix: string;
  bytes: string;
}

let lastBreath = performance.now();

/** Long work gives the event loop back now and then; a writer keeps its turn as the only one. */
export async function breathe(): Promise<void> {
  if (performance.now() - lastBreath < 5) return;
  await new Promise<void>(setImmediate);
  lastBreath = performance.now();
}

export const docOf = (rec: Rec): Doc => Doc.fromBytes(rec.bytes);

const SUFFIX = 6;

let records = 0;

export function newRecord(idKey: string): Rec {
  const suffix = Buffer.allocUnsafe(SUFFIX);
  suffix.writeUIntBE(++records, 0, SUFFIX);
  return { idKey, bytes: '', suffix: suffix.toString('latin1') };
}

export class Index {
  readonly spec: Doc;
  readonly name: string;
  readonly fields: IndexField[];
  readonly unique: boolean;
  readonly sparse: boolean;
  readonly partial: Node | undefined;
  /** First parts of all paths that decide about this index's keys. */
  readonly roots: string[];
  readonly keys = new SortedKeys<Rec>();
  /** False until its keys are there: writes leave it alone. */
  built = true;

  constructor(spec: Doc) {
    this.spec = spec;
    this.name = spec.get('name') as string;
    this.fields = indexFields(spec.get('key') as Doc);
    this.unique = truthy(spec.get('unique')) || this.name === '_id_';
    this.sparse = truthy(spec.get('sparse'));
    const partial = spec.get('partialFilterExpression');
    this.partial = partial instanceof Doc ? compileFilter(partial) : undefined;
    const partialRoots = this.partial ? pathRoots(this.partial) : [];
    this.roots = [...new Set([...this.fields.map(field => field.parts[0] as string), ...partialRoots])];
  }

  get multikey(): boolean {
    return this.fields.some(field => field.multikey);
  }

  /** The keys a document has here: none if the index leaves it out. */
  keysOf(document: Doc, suffix: string): string[] {
    if (this.partial && !this.partial.test(document)) return [];
    const { keys, missing } = keysOf(document, this.fields, suffix);
    return missing && this.sparse ? [] : keys;
  }

  touchedBy(roots: ReadonlySet<string> | undefined): boolean {
    return !roots || this.roots.some(root => roots.has(root));
  }

  /** False if the fields that decide about the keys were taken over as they are. */
  sees(before: Doc, after: Doc, touched?: ReadonlySet<string>): boolean {
    return this.roots.some(root => touched?.has(root) !== false && before.find(root) !== after.find(root));
  }

  /** The record other than `idKey`'s that has this key already. */
  holderOf(key: string, idKey: string | undefined): Rec | undefined {
    for (const found of this.keys.from(key)) {
      if (!found.key.startsWith(key)) break;
      if (found.item.idKey !== idKey) return found.item;
    }
    return undefined;
  }
}

function pathRoots(node: Node): string[] {
  return node.path === undefined ? node.children.flatMap(pathRoots) : [splitPath(node.path)[0] as string];
}

export class Collection {
  ns = '';
  db = '';
  name = '';
  readonly uuid: Binary;
  readonly indexes = new Map<string, Index>();
  /** In the order of insertion. */
  readonly records = new Map<string, Rec>();
  options = new Doc();
  #validator: SchemaTest | undefined;
  bytes = 0;

  constructor(ns: string, options: Doc, uuid: Binary = new UUID().toBinary()) {
    this.uuid = uuid;
    this.moveTo(ns);
    this.setOptions(options);
    this.indexes.set('_id_', new Index(doc({ v: 2, key: { _id: 1 }, name: '_id_' })));
  }

  moveTo(ns: string): void {
    const dot = ns.indexOf('.');
    Object.assign(this, { ns, db: ns.slice(0, dot), name: ns.slice(dot + 1) });
  }

  setOptions(options: Doc): void {
    const validator = options.get('validator');
    const schema = validator instanceof Doc && validator.fields.length === 1 ? validator.get('$jsonSchema') : undefined;
    if (validator !== undefined && schema === undefined) unsupported('a validator other than $jsonSchema');
    this.#validator = schema === undefined ? undefined : compileSchema(schema);
    this.options = options;
  }

  /** Refuses a document that the collection's validator does not accept, unless it only warns. */
  validate(document: Doc): void {
    const isStrict = this.options.get('validationAction') !== 'warn' && this.options.get('validationLevel') !== 'off';
    const details = isStrict ? this.#validator?.(document) : undefined;
    const errInfo = { failingDocumentId: document.get('_id'), details };
    if (details) fail(121, 'Document failed validation', { errInfo });
  }

  /** Puts `after` in the place of `before`, which is what `rec` holds; either may be missing. */
  put(rec: Rec, before: Doc | undefined, after: Doc | undefined, touched?: ReadonlySet<string>): void {
    for (const index of this.indexes.values()) {
      if (!index.built || (before && after && !index.sees(before, after, touched))) continue;
      const old = before ? index.keysOf(before, rec.suffix) : [];
      const now = after ? index.keysOf(after, rec.suffix) : [];
      for (const key of old) if (!now.includes(key)) index.keys.delete(key);
      for (const key of now) if (!old.includes(key)) index.keys.add(key, rec);
    }
    const bytes = after ? (after.raw ?? toBytes(after)) : '';
    this.bytes += bytes.length - (before ? rec.bytes.length : 0);
    if (after) rec.bytes = bytes;
    else this.records.delete(rec.idKey);
    if (!before) this.records.set(rec.idKey, rec);
  }

  /**
   * Fills new indexes, each from keys sorted once. A document is decoded once for all of them, and the event loop is
   * given back every few milliseconds.
   */
  async build(indexes: Index[]): Promise<void> {
    const keys = indexes.map((): string[] => []);
    const [oldest] = this.records.values();
    const first = oldest ? numberOf(oldest.suffix) : 0;
    // Numbers grow in the order of the records.
    const byNumber: Rec[] = [];
    for (const rec of this.records.values()) {
      const document = docOf(rec);
      byNumber[numberOf(rec.suffix) - first] = rec;
      for (let i = 0; i < indexes.length; i++)
        for (const key of (indexes[i] as Index).keysOf(document, rec.suffix)) (keys[i] as string[]).push(key);
      if (byNumber.length % 64 === 0) await breathe();
    }
    indexes.forEach((index, i) => {
      const sorted = (keys[i] as string[]).sort();
      const recs = sorted.map(key => byNumber[numberOf(key) - first] as Rec);
      const isDouble = (key: string, n: number) => sorted[n + 1]?.startsWith(key.slice(0, -SUFFIX));
      const double = index.unique ? sorted.findIndex(isDouble) : -1;
      if (double >= 0) throw duplicateKey(this, index, docOf(recs[double] as Rec));
      index.keys.load(sorted, recs);
      index.built = true;
    });
  }
}

/** The record's number, with which a key ends: cheaper to look up than a piece of the string. */
function numberOf(key: string): number {
  let number = 0;
  for (let i = key.length - SUFFIX; i < key.length; i++) number = number * 256 + key.charCodeAt(i);
  return number;
}

export function duplicateKey({ ns }: Collection, { name, fields, spec }: Index, document: Doc): CommandError {
  const keyValue = new Doc();
  for (const { path, parts } of fields) {
    const step = (value: Value | undefined, part: string) => (value instanceof Doc ? value.get(part) : undefined);
    keyValue.set(path, parts.reduce<Value | undefined>(step, document) ?? null);
  }
  const message = `E11000 duplicate key error collection: ${ns} index: ${name} dup key: ${show(keyValue)}`;
  return new CommandError(11000, message, { keyPattern: spec.get('key'), keyValue });
}

/** An index by its name or its key pattern. */
export const findIndex = (collection: Collection, wanted: Value): Index | undefined =>
  [...collection.indexes.values()].find(({ name, spec }) =>
    wanted instanceof Doc ? equal(spec.get('key') as Doc, wanted) : name === wanted,
  );
