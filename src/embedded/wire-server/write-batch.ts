import { type Collection, idKeyOf, newRecord, type Rec } from './collection.ts';
import type { Event } from './event-log.ts';
import type { Transaction } from './transaction.ts';
import { Doc, doc, type Value } from './value.ts';

/** One entry of a journal frame: what to do again at recovery, and what to tell change streams. */
export interface Op {
  readonly entry: Doc;
  readonly event?: Pick<Event, 'kind' | 'db' | 'collection'> & Partial<Pick<Event, 'id' | 'before' | 'after' | 'to'>>;
}

/**
 * The writes of one command. They are applied to the collections at once and framed together; nothing may be awaited
 * between the two, or a later command's frame could reach the journal first.
 */
export class WriteBatch {
  ops: Op[] = [];
  readonly #open: ReadonlySet<Transaction>;

  constructor(open: ReadonlySet<Transaction>) {
    this.#open = open;
  }

  #remember(collection: Collection, idKey: string, bytes: string | null): void {
    for (const transaction of this.#open) transaction.remember(collection, idKey, bytes);
  }

  insert(collection: Collection, document: Doc, bytes: string): void {
    const id = document.get('_id') as Value;
    const rec = newRecord(idKeyOf(id), bytes);
    this.#remember(collection, rec.idKey, null);
    collection.insert(rec, document);
    this.ops.push({
      entry: doc({ o: 'i', n: collection.ns, d: Doc.fromBytes(bytes) }),
      event: { kind: 'insert', db: collection.db, collection: collection.name, id, after: bytes },
    });
  }

  update(
    collection: Collection,
    rec: Rec,
    before: Doc,
    after: Doc,
    bytes: string,
    touched: ReadonlySet<string> | undefined,
  ): void {
    const kind = touched ? 'update' : 'replace';
    this.#remember(collection, rec.idKey, rec.bytes);
    const event = {
      kind,
      db: collection.db,
      collection: collection.name,
      id: after.get('_id'),
      before: rec.bytes,
      after: bytes,
    } as const;
    collection.update(rec, before, after, bytes, touched);
    this.ops.push({ entry: doc({ o: touched ? 'u' : 'r', n: collection.ns, d: Doc.fromBytes(bytes) }), event });
  }

  remove(collection: Collection, rec: Rec, document: Doc): void {
    const id = document.get('_id') as Value;
    this.#remember(collection, rec.idKey, rec.bytes);
    collection.remove(rec, document);
    this.ops.push({
      entry: doc({ o: 'd', n: collection.ns, d: doc({ _id: id }) }),
      event: { kind: 'delete', db: collection.db, collection: collection.name, id, before: rec.bytes },
    });
  }

  /** A change of the catalog: made by the caller, noted here. */
  note(op: Op): void {
    this.ops.push(op);
  }
}
