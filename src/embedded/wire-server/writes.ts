import { randomBytes } from 'node:crypto';
import { toBytes } from './codec.ts';
import { type Collection, docOf, type Rec } from './collection.ts';
import type { Context } from './context.ts';
import { CommandError, fail } from './errors.ts';
import type { Node } from './match.ts';
import { matched } from './paths.ts';
import { type Match, Query } from './query.ts';
import { clock } from './store.ts';
import { type Transaction, writeConflict } from './transaction.ts';
import type { Update } from './update.ts';
import { upsertBase } from './update-paths.ts';
import { Doc, Field, Oid, type Value } from './value.ts';
import { keyOf } from './value-order.ts';
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

interface Written {
  readonly before: Doc;
  readonly after: Doc | undefined;
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

  /** Encodes a document that is to be stored; refuses what must not be. */
  #checked(document: Doc): string {
    if (!this.#context.args.boolean('bypassDocumentValidation')) this.#collection.validate(document);
    const bytes = toBytes(document);
    if (bytes.length <= MAX_DOCUMENT) return bytes;
    return fail(10334, `BSONObj size: ${bytes.length} is invalid. Size must be between 0 and ${MAX_DOCUMENT}`);
  }

  /** Puts `after` in the place of `before`: at once, or when the transaction commits. */
  #put(
    rec: Rec | undefined,
    before: Doc | undefined,
    after: Doc | undefined,
    bytes: string,
    touched?: ReadonlySet<string>,
  ) {
    const collection = this.#collection;
    if (!this.#transaction) {
      this.#batch.write(collection, rec, before, after, bytes, touched);
      return;
    }
    const unique = after ? [...collection.indexes.values()].filter(index => index.unique) : [];
    const keys = unique.flatMap(index => index.keysOf(after as Doc, '').map(key => ({ index, key })));
    const idKey = rec?.idKey ?? keyOf((after ?? (before as Doc)).get('_id') as Value);
    const replaced = touched === undefined;
    this.#transaction.write({ collection, idKey, rec, bytes: after ? bytes : null, replaced, keys });
  }

  async insert(given: Doc): Promise<void> {
    const document = withId(given);
    const id = document.first?.value as Value;
    if (Array.isArray(id)) fail(53, "The '_id' value cannot be of type array");
    if (id instanceof Doc && id.fields.some(field => field.name.startsWith('$')))
      fail(52, "_id fields may not contain '$'-prefixed fields");
    const bytes = this.#checked(document);
    const collection = this.#collection;
    const idKey = keyOf(id);
    const conflict = () => collection.conflict(document, undefined, idKey, undefined, this.#transaction, true);
    for (let holder = conflict(); holder; holder = conflict()) await this.#wait(holder);
    // Within a transaction the record may be one that the transaction itself has deleted.
    this.#put(this.#transaction && collection.records.get(idKey), undefined, document, bytes);
  }

  /**
   * The match as it is now. Between finding and writing another writer may have had its turn; a plain write waits for a
   * transaction that holds the document, then looks again. undefined = it does not match any more.
   */
  async #current(match: Match, filter: Node): Promise<Match | undefined> {
    if (this.#transaction) return match;
    const { records, locks } = this.#collection;
    const { idKey } = match.rec as Rec;
    for (let holder = locks.get(idKey); holder; holder = locks.get(idKey)) await this.#wait(holder);
    const rec = records.get(idKey);
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
      const bytes = this.#checked(after);
      if (bytes === match.bytes) return { before, after: before };
      const idKey = rec?.idKey ?? keyOf(after.get('_id') as Value);
      const holder = this.#collection.conflict(after, rec, idKey, update.touches, this.#transaction, false);
      if (holder) await this.#wait(holder);
      else {
        this.#put(rec, before, after, bytes, update.touches);
        return { before, after };
      }
    }
  }

  /** Removes one document; undefined = it does not match any more. */
  async remove(found: Match, filter: Node): Promise<Written | undefined> {
    const match = await this.#current(found, filter);
    if (!match) return undefined;
    this.#put(match.rec, match.doc, undefined, '');
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
      const there = error instanceof CommandError && error.code === 11000 && !this.#transaction;
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
