import { randomBytes } from 'node:crypto';
import { toBytes } from './codec.ts';
import { type Collection, docOf, idKeyOf, type Rec } from './collection.ts';
import type { Context } from './context.ts';
import { CommandError, fail } from './errors.ts';
import type { Node } from './match.ts';
import { matched } from './paths.ts';
import { Match, Query } from './query.ts';
import { clock } from './store.ts';
import { type Transaction, writeConflict } from './transaction.ts';
import type { Update } from './update.ts';
import { upsertBase } from './update-paths.ts';
import { Doc, Field, Oid, type Value } from './value.ts';
import type { WriteBatch } from './write-batch.ts';

const MAX_DOCUMENT = 16 * 1024 * 1024;

/** ObjectIds the server makes: seconds, then five random bytes of this process, then a counter. */
const process5 = randomBytes(5);
let counter = randomBytes(3).readUIntBE(0, 3);
export function newOid(): Oid {
  const bytes = Buffer.allocUnsafe(12);
  bytes.writeUInt32BE(Math.floor(clock.now().getTime() / 1000), 0);
  process5.copy(bytes, 4);
  counter = (counter + 1) & 0xffffff;
  bytes.writeUIntBE(counter, 9, 3);
  return new Oid(bytes.toString('latin1'));
}

/** The writes of one command to one collection, for everybody to see or within a transaction. */
export class DocumentWriter {
  readonly #context: Context;
  readonly #batch: WriteBatch;
  readonly #collection: Collection;
  readonly #transaction: Transaction | undefined;

  constructor(context: Context, batch: WriteBatch, collection: Collection) {
    this.#context = context;
    this.#batch = batch;
    this.#collection = collection;
    this.#transaction = context.session?.transaction;
  }

  async #wait(holder: Transaction): Promise<void> {
    if (this.#transaction) throw writeConflict();
    await this.#context.services.store.waitFor(this.#batch, holder, this.#context.deadline);
  }

  get #skipsValidation(): boolean {
    return this.#context.args.boolean('bypassDocumentValidation');
  }

  async insert(given: Doc): Promise<void> {
    const document = withId(given);
    checkId(document.first?.value as Value);
    const bytes = toBytes(document);
    if (bytes.length > MAX_DOCUMENT)
      fail(10334, `BSONObj size: ${bytes.length} is invalid. Size must be between 0 and ${MAX_DOCUMENT}`);
    if (!this.#skipsValidation) this.#collection.validate(document);
    const collection = this.#collection;
    const idKey = idKeyOf(document.first?.value as Value);
    const conflict = () => this.#conflict(document, undefined, idKey, undefined, true);
    for (let holder = conflict(); holder; holder = conflict()) await this.#wait(holder);
    if (this.#transaction) this.#own(idKey, collection.records.get(idKey), bytes, document, undefined);
    else this.#batch.insert(collection, document, bytes);
  }

  #conflict(
    document: Doc,
    rec: Rec | undefined,
    idKey: string,
    touched: ReadonlySet<string> | undefined,
    inserting: boolean,
  ) {
    return this.#collection.conflict(document, rec, idKey, touched, this.#transaction, inserting);
  }

  #own(
    idKey: string,
    rec: Rec | undefined,
    bytes: string | null,
    document: Doc | undefined,
    touched: ReadonlySet<string> | undefined,
  ): void {
    const collection = this.#collection;
    const unique = document ? [...collection.indexes.values()].filter(index => index.unique) : [];
    const keys = unique.flatMap(index => index.keysOf(document as Doc, '').map(key => ({ index, key })));
    (this.#transaction as Transaction).write({ collection, idKey, rec, bytes, replaced: touched === undefined, keys });
  }

  /**
   * The match as it is now. Between finding and writing another writer may have had its turn; a plain write waits for a
   * transaction that holds the document, then looks again. undefined = it does not match any more.
   */
  async #current(match: Match, filter: Node): Promise<Match | undefined> {
    if (this.#transaction) return match;
    const collection = this.#collection;
    const { idKey } = match.rec as Rec;
    for (let holder = collection.locks.get(idKey); holder; holder = collection.locks.get(idKey))
      await this.#wait(holder);
    const rec = collection.records.get(idKey);
    if (!rec) return undefined;
    if (rec.bytes === match.bytes) return match;
    const doc = docOf(rec);
    return filter.test(doc) ? new Match(rec, rec.bytes, doc) : undefined;
  }

  /** Changes one document; says whether it still matched and whether anything changed. */
  async update(
    found: Match,
    filter: Node,
    update: Update,
  ): Promise<{ matched: boolean; modified: boolean; before: Doc; after: Doc }> {
    for (;;) {
      const match = await this.#current(found, filter);
      if (!match) return { matched: false, modified: false, before: found.doc, after: found.doc };
      matched.index = undefined;
      if (update.positional) filter.test(match.doc);
      const after = update.apply(match.doc, { now: clock.now(), inserting: false, position: matched.index });
      if (after === match.doc) return { matched: true, modified: false, before: after, after };
      if (!this.#skipsValidation) this.#collection.validate(after);
      const rec = match.rec;
      const idKey = rec?.idKey ?? idKeyOf(after.get('_id') as Value);
      const holder = this.#conflict(after, rec, idKey, update.touches, false);
      if (holder) {
        await this.#wait(holder);
        continue;
      }
      const bytes = toBytes(after);
      if (bytes === match.bytes) return { matched: true, modified: false, before: match.doc, after: match.doc };
      if (bytes.length > MAX_DOCUMENT)
        fail(10334, `BSONObj size: ${bytes.length} is invalid. Size must be between 0 and ${MAX_DOCUMENT}`);
      if (this.#transaction) this.#own(idKey, rec, bytes, after, update.touches);
      else this.#batch.update(this.#collection, rec as Rec, match.doc, after, bytes, update.touches);
      return { matched: true, modified: true, before: match.doc, after };
    }
  }

  /** Removes one document; undefined = it does not match any more. */
  async remove(found: Match, filter: Node): Promise<Doc | undefined> {
    const match = await this.#current(found, filter);
    if (!match) return undefined;
    const idKey = match.rec?.idKey ?? idKeyOf(match.doc.get('_id') as Value);
    if (this.#transaction) this.#own(idKey, match.rec, null, undefined, undefined);
    else this.#batch.remove(this.#collection, match.rec as Rec, match.doc);
    return match.doc;
  }

  /**
   * Inserts what an update that matched nothing asks for. undefined = while this waited for a transaction, another has
   * inserted it: now there is something to update.
   */
  async upsert(filter: Node, update: Update): Promise<Doc | undefined> {
    const base = upsertBase(filter);
    const id = base.get('_id');
    const start = !update.replacement ? base : id === undefined ? new Doc() : new Doc().set('_id', id);
    const document = withId(update.apply(start, { now: clock.now(), inserting: true, position: undefined }));
    try {
      await this.insert(document);
      return document;
    } catch (error) {
      const there = error instanceof CommandError && error.code === 11000 && !this.#transaction;
      if (there && (await new Query(this.#collection, { filter }).one())) return undefined;
      throw error;
    }
  }
}

/** `_id` first, made if missing. The driver puts it last; the other fields stay as they are, byte by byte. */
function withId(document: Doc): Doc {
  const [first] = document.fields;
  if (first?.name === '_id') return document;
  const id = document.find('_id') ?? new Field('_id', newOid());
  return new Doc([id, ...document.fields.filter(field => field !== id)]);
}

function checkId(id: Value): void {
  if (Array.isArray(id)) fail(53, "The '_id' value cannot be of type array");
  if (id instanceof Doc && id.fields.some(field => field.name.startsWith('$')))
    fail(52, "_id fields may not contain '$'-prefixed fields");
}
