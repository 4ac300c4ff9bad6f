import { ObjectId } from 'bson';
import { toBytes } from '../documents/codec.ts';
import { fail } from '../documents/errors.ts';
import type { Node } from '../documents/match.ts';
import { type Update, upsertBase } from '../documents/update.ts';
import { Doc, Field, Oid, type Value } from '../documents/value.ts';
import { keyOf } from '../documents/value-keys.ts';
import { type Collection, duplicateKey, type Rec } from './collection.ts';
import type { Context } from './context.ts';
import type { Match } from './query.ts';
import type { Batch } from './store.ts';
import { reservation, type Transaction, writeConflict } from './transaction.ts';

const MAX_DOCUMENT = 16 * 1024 * 1024;

export const newOid = (): Oid => new Oid(Buffer.from(new ObjectId().id).toString('latin1'));

/** What became of one document. With a blocker nothing did: a transaction is in the way; wait for it and look again. */
export interface Written {
  readonly before?: Doc;
  readonly after?: Doc;
  readonly blocker?: Transaction | undefined;
}

/** Where the writes of a command go: for everybody to see, or into its transaction. */
export interface Target {
  readonly context: Context;
  readonly batch: Batch;
  readonly collection: Collection;
}

export function insertOne(target: Target, given: Doc): Written {
  const document = withId(given);
  const id = document.first?.value as Value;
  if (Array.isArray(id)) fail(53, "The '_id' value cannot be of type array");
  if (id instanceof Doc && id.fields.some(field => field.name.startsWith('$')))
    fail(52, "_id fields may not contain '$'-prefixed fields");
  encode(target, document);
  return { after: document, blocker: put(target, undefined, undefined, document) };
}

/** Changes one document; `after` is `before` if that changes nothing. */
export function updateOne(target: Target, { rec, doc: before, bytes }: Match, update: Update): Written {
  const after = update.apply(before, { now: new Date(), inserting: false });
  if (after === before) return { before, after };
  encode(target, after);
  if (after.raw === bytes) return { before, after: before };
  return { before, after, blocker: put(target, rec, before, after, update.touches) };
}

export const removeOne = (target: Target, { rec, doc: before }: Match): Written => ({
  before,
  blocker: put(target, rec, before, undefined),
});

export function upsertOne(target: Target, filter: Node, update: Update): Written {
  const base = upsertBase(filter);
  const start = update.replacement ? new Doc(base.fields.filter(field => field.name === '_id')) : base;
  return insertOne(target, update.apply(start, { now: new Date(), inserting: true }));
}

/** Encodes a document that is to be stored; refuses what must not be. */
function encode({ context, collection }: Target, document: Doc): void {
  if (!context.args.boolean('bypassDocumentValidation')) collection.validate(document);
  document.raw = toBytes(document);
  const { length } = document.raw;
  if (length > MAX_DOCUMENT)
    fail(10334, `BSONObj size: ${length} is invalid. Size must be between 0 and ${MAX_DOCUMENT}`);
}

/** Puts `after` in the place of `before`, at once or when the transaction commits. Returns who is in the way. */
function put(
  target: Target,
  rec: Rec | undefined,
  before: Doc | undefined,
  after: Doc | undefined,
  touched?: ReadonlySet<string>,
): Transaction | undefined {
  const { context, batch, collection } = target;
  const mine = context.transaction;
  const idKey = rec?.idKey ?? keyOf((after ?? (before as Doc)).get('_id') as Value);
  const blocker = lockOf(target, idKey) ?? (after && holderOf(target, after, before && idKey, touched));
  if (blocker && mine) throw writeConflict();
  if (!blocker && !mine) context.services.store.write(batch, { collection, rec, before, after, touched });
  if (blocker || !mine) return blocker;
  const unique = after ? [...collection.indexes.values()].filter(index => index.unique) : [];
  mine.write({
    collection,
    idKey,
    // An insert may be in the place of a document that the transaction itself has deleted.
    rec: rec ?? collection.records.get(idKey),
    bytes: after ? toBytes(after) : null,
    replaced: touched === undefined,
    keys: unique.flatMap(index => index.keysOf(after as Doc, '').map(key => reservation(collection, index, key))),
  });
  return undefined;
}

/** The other transaction that has written this document. */
function lockOf({ context, collection }: Target, idKey: string): Transaction | undefined {
  const holder = context.services.store.lockOf(collection, idKey);
  return holder === context.transaction ? undefined : holder;
}

/** The transaction that has, or may give back, a unique key of the document; throws 11000 for one that is taken. */
function holderOf(target: Target, document: Doc, self: string | undefined, touched?: ReadonlySet<string>) {
  const { context, collection } = target;
  const mine = context.transaction;
  for (const index of collection.indexes.values()) {
    if (!index.unique || !index.touchedBy(touched)) continue;
    for (const key of index.keysOf(document, '')) {
      const wanted = reservation(collection, index, key);
      for (const transaction of context.services.store.openTransactions) {
        if (!transaction.reserves(wanted, self)) continue;
        if (transaction !== mine) return transaction;
        throw duplicateKey(collection, index, document);
      }
      const other = index.holderOf(key, self);
      // What this transaction has made of the other document was looked at above.
      if (!other || mine?.own.get(collection)?.has(other.idKey)) continue;
      const holder = lockOf(target, other.idKey);
      if (holder) return holder;
      throw duplicateKey(collection, index, document);
    }
  }
  return undefined;
}

/** `_id` first, made if missing. The driver puts it last; the other fields stay as they are, byte by byte. */
function withId(document: Doc): Doc {
  if (document.first?.name === '_id') return document;
  const id = document.find('_id') ?? new Field('_id', newOid());
  return new Doc([id, ...document.fields.filter(field => field !== id)]);
}
