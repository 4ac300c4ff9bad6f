import { randomBytes } from 'node:crypto';
import { toBytes } from './codec.ts';
import { type Collection, docOf, duplicateKey, type Rec } from './collection.ts';
import type { Context } from './context.ts';
import { CommandError, fail } from './errors.ts';
import type { Node } from './match.ts';
import { matched } from './paths.ts';
import { type Match, Query } from './query.ts';
import { type Batch, clock } from './store.ts';
import { reservation, type Transaction, writeConflict } from './transaction.ts';
import type { Update } from './update.ts';
import { upsertBase } from './update-paths.ts';
import { Doc, Field, Oid, type Value } from './value.ts';
import { keyOf } from './value-order.ts';

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

interface Written {
  readonly before: Doc;
  readonly after: Doc | undefined;
}

/** The writes of one command to one collection, for everybody to see or within a transaction. */
export class DocumentWriter {
  readonly #context: Context;
  readonly #batch: Batch;
  readonly #collection: Collection;
  readonly #mine: Transaction | undefined;

  constructor(context: Context, batch: Batch, collection: Collection) {
    this.#context = context;
    this.#batch = batch;
    this.#collection = collection;
    this.#mine = context.transaction;
  }

  /** Waits until nobody is in the way; within a transaction that is a conflict. */
  async #waitWhile(blocker: () => Transaction | undefined): Promise<boolean> {
    let waited = false;
    for (let holder = blocker(); holder; holder = blocker()) {
      if (this.#mine) throw writeConflict();
      await this.#context.services.store.waitFor(this.#batch, holder, this.#context.deadline);
      waited = true;
    }
    return waited;
  }

  /** The other transaction that has written this document. */
  #lock(idKey: string): Transaction | undefined {
    const holder = this.#context.services.store.lockOf(this.#collection, idKey);
    return holder === this.#mine ? undefined : holder;
  }

  /** Encodes a document that is to be stored; refuses what must not be. */
  #encode(document: Doc): void {
    if (!this.#context.args.boolean('bypassDocumentValidation')) this.#collection.validate(document);
    document.raw = toBytes(document);
    const { length } = document.raw;
    if (length > MAX_DOCUMENT)
      fail(10334, `BSONObj size: ${length} is invalid. Size must be between 0 and ${MAX_DOCUMENT}`);
  }

  /** Who must end before the document can be written; throws 11000 for a unique key that is taken. */
  #blocker(document: Doc, idKey: string, inserting: boolean, touched?: ReadonlySet<string>): Transaction | undefined {
    const { openTransactions } = this.#context.services.store;
    const [collection, mine] = [this.#collection, this.#mine];
    const self = inserting ? undefined : idKey;
    const lock = this.#lock(idKey);
    if (lock) return lock;
    for (const index of collection.indexes.values()) {
      if (!index.unique || !index.touchedBy(touched)) continue;
      for (const key of index.keysOf(document, '')) {
        for (const transaction of openTransactions) {
          if (!transaction.reserves(reservation(collection, index, key), self)) continue;
          if (transaction !== mine) return transaction;
          throw duplicateKey(collection, index, document);
        }
        const other = index.holderOf(key, self);
        // What this transaction has made of the other document was looked at above.
        if (!other || mine?.own.get(collection)?.has(other.idKey)) continue;
        const holder = this.#lock(other.idKey);
        if (holder) return holder;
        throw duplicateKey(collection, index, document);
      }
    }
    return undefined;
  }

  /** Puts `after` in the place of `before`: at once, or when the transaction commits. */
  #put(rec: Rec | undefined, before: Doc | undefined, after: Doc | undefined, touched?: ReadonlySet<string>): void {
    const [collection, { store }] = [this.#collection, this.#context.services];
    if (!this.#mine) {
      store.write(this.#batch, collection, rec, before, after, touched);
      return;
    }
    const idKey = rec?.idKey ?? keyOf((after ?? (before as Doc)).get('_id') as Value);
    const keys = [...collection.indexes.values()].flatMap(index =>
      after && index.unique ? index.keysOf(after, '').map(key => reservation(collection, index, key)) : [],
    );
    const bytes = after ? toBytes(after) : null;
    this.#mine.write({ collection, idKey, rec, bytes, replaced: touched === undefined, keys });
  }

  async insert(given: Doc): Promise<void> {
    const document = withId(given);
    const id = document.first?.value as Value;
    if (Array.isArray(id)) fail(53, "The '_id' value cannot be of type array");
    if (id instanceof Doc && id.fields.some(field => field.name.startsWith('$')))
      fail(52, "_id fields may not contain '$'-prefixed fields");
    this.#encode(document);
    const idKey = keyOf(id);
    await this.#waitWhile(() => this.#blocker(document, idKey, true));
    // Within a transaction the record may be one that the transaction itself has deleted.
    this.#put(this.#mine && this.#collection.records.get(idKey), undefined, document);
  }

  /**
   * The match as it is now. Between finding and writing another writer may have had its turn; a plain write waits for a
   * transaction that holds the document, then looks again. undefined = it does not match any more.
   */
  async #current(match: Match, filter: Node): Promise<Match | undefined> {
    const { idKey = '' } = match.rec ?? {};
    await this.#waitWhile(() => this.#lock(idKey));
    if (this.#mine) return match;
    const rec = this.#collection.records.get(idKey);
    if (!rec || rec.bytes === match.bytes) return rec && match;
    const now = docOf(rec);
    return filter.test(now) ? { rec, bytes: rec.bytes, doc: now } : undefined;
  }

  /** Changes one document (`after` is `before` if that changes nothing); undefined = it does not match any more. */
  async update(found: Match, filter: Node, update: Update): Promise<Written | undefined> {
    for (;;) {
      const match = await this.#current(found, filter);
      if (!match) return undefined;
      const { doc: before, rec } = match;
      matched.index = undefined;
      if (update.positional) filter.test(before);
      const after = update.apply(before, { now: clock.now(), inserting: false, position: matched.index });
      if (after === before) return { before, after };
      this.#encode(after);
      if (after.raw === match.bytes) return { before, after: before };
      const idKey = rec?.idKey ?? keyOf(after.get('_id') as Value);
      if (await this.#waitWhile(() => this.#blocker(after, idKey, false, update.touches))) continue;
      this.#put(rec, before, after, update.touches);
      return { before, after };
    }
  }

  /** Removes one document; undefined = it does not match any more. */
  async remove(found: Match, filter: Node): Promise<Written | undefined> {
    const match = await this.#current(found, filter);
    if (!match) return undefined;
    this.#put(match.rec, match.doc, undefined);
    return { before: match.doc, after: undefined };
  }

  /**
   * Inserts what an update that matched nothing asks for. undefined = while this waited for a transaction, another has
   * inserted it: now there is something to update.
   */
  async upsert(filter: Node, update: Update): Promise<Doc | undefined> {
    const base = upsertBase(filter);
    const start = update.replacement ? new Doc(base.fields.filter(field => field.name === '_id')) : base;
    const document = withId(update.apply(start, { now: clock.now(), inserting: true, position: undefined }));
    try {
      await this.insert(document);
      return document;
    } catch (error) {
      const there = error instanceof CommandError && error.code === 11000 && !this.#mine;
      if (there && (await new Query(this.#collection, { filter, limit: 1 }).found()).matches.length) return undefined;
      throw error;
    }
  }
}

/** `_id` first, made if missing. The driver puts it last; the other fields stay as they are, byte by byte. */
function withId(document: Doc): Doc {
  if (document.first?.name === '_id') return document;
  const id = document.find('_id') ?? new Field('_id', newOid());
  return new Doc([id, ...document.fields.filter(field => field !== id)]);
}
