import { type Collection, newRecord, type Rec } from './collection.ts';
import type { Happening } from './event-log.ts';
import type { Transaction } from './transaction.ts';
import { Doc, doc, type Value } from './value.ts';
import { keyOf } from './value-order.ts';

/** One entry of a journal frame: what to do again at recovery, and what to tell change streams. */
export interface Op {
  readonly entry: Doc;
  readonly event?: Happening;
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

  /** Puts `after` (encoded: `bytes`) in the place of `before`; either may be missing. */
  write(
    collection: Collection,
    known: Rec | undefined,
    before: Doc | undefined,
    after: Doc | undefined,
    bytes: string,
    touched?: ReadonlySet<string>,
  ): void {
    const { ns, db, name } = collection;
    const id = (after ?? (before as Doc)).get('_id') as Value;
    const rec = (before && known) ?? newRecord(keyOf(id), bytes);
    const old = before && rec.bytes;
    for (const transaction of this.#open) transaction.remember(collection, rec.idKey, old ?? null);
    collection.put(rec, before, after, bytes, touched);
    const kind = !before ? 'insert' : !after ? 'delete' : touched ? 'update' : 'replace';
    this.ops.push({
      entry: doc({ o: kind[0], n: ns, d: after ? Doc.fromBytes(bytes) : doc({ _id: id }) }),
      event: { kind, db, collection: name, id, before: old, after: after && bytes },
    });
  }

  /** A change of the catalog: made by the caller, noted here. */
  note(op: Op): void {
    this.ops.push(op);
  }
}
