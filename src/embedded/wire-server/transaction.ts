import type { Collection, Index, Rec } from './collection.ts';
import { CommandError } from './errors.ts';

/** One document a transaction has written: its bytes (null = deleted), and the record it replaces. */
export interface OwnWrite {
  readonly collection: Collection;
  readonly idKey: string;
  readonly rec: Rec | undefined;
  readonly bytes: string | null;
  /** Its last write replaced the whole document: change streams tell it so. */
  readonly replaced: boolean;
  /** The unique keys of this version: nobody else may take them before the transaction has ended. */
  readonly keys: readonly { readonly index: Index; readonly key: string }[];
}

/** A multi-document transaction: it reads as of its first operation, and its writes stay its own until it commits. */
export class Transaction {
  readonly key: string;
  readonly number: bigint;
  readonly own = new Map<Collection, Map<string, OwnWrite>>();
  /** What others replaced since this transaction began: the version it must go on seeing (null = was not there). */
  readonly before = new Map<Collection, Map<string, string | null>>();
  /** Collections that come into being with its commit. */
  readonly made = new Set<Collection>();
  finish: () => void = () => undefined;
  readonly done = new Promise<void>(resolve => {
    this.finish = resolve;
  });

  constructor(key: string, number: bigint) {
    this.key = key;
    this.number = number;
  }

  /** True if this transaction sees the record differently from everybody else. */
  shadows(collection: Collection, idKey: string): boolean {
    return Boolean(this.own.get(collection)?.has(idKey) || this.before.get(collection)?.has(idKey));
  }

  /** The versions that only this transaction sees. */
  *versions(collection: Collection): Generator<{ bytes: string; rec: Rec | undefined }> {
    const own = this.own.get(collection);
    for (const { bytes, rec } of own?.values() ?? []) if (bytes !== null) yield { bytes, rec };
    for (const [idKey, bytes] of this.before.get(collection) ?? [])
      if (bytes !== null && !own?.has(idKey)) yield { bytes, rec: collection.records.get(idKey) };
  }

  /** Another writer is about to replace a record's bytes. */
  remember(collection: Collection, idKey: string, bytes: string | null): void {
    if (!this.shadows(collection, idKey)) mapIn(this.before, collection).set(idKey, bytes);
  }

  /** A key this transaction itself has freed or moved does not conflict with its own insert. */
  hides(collection: Collection, rec: Rec, index: Index, key: string): boolean {
    const write = this.own.get(collection)?.get(rec.idKey);
    return write !== undefined && (write.bytes === null || index.reserved.get(key)?.idKey !== rec.idKey);
  }

  write(write: OwnWrite): void {
    const { collection, idKey } = write;
    const holder = collection.locks.get(idKey);
    if (this.before.get(collection)?.has(idKey) || (holder && holder !== this)) throw writeConflict();
    collection.locks.set(idKey, this);
    const own = mapIn(this.own, collection);
    const known = own.get(idKey);
    if (known) freeKeys(known);
    own.set(idKey, known ? { ...write, rec: known.rec } : write);
    for (const { index, key } of write.keys) index.reserved.set(key, { transaction: this, idKey });
  }

  /** Gives locks and keys back; the waiting writers go on. */
  release(): void {
    for (const [collection, writes] of this.own)
      for (const write of writes.values()) {
        collection.locks.delete(write.idKey);
        freeKeys(write);
      }
    this.finish();
  }
}

function freeKeys({ keys, idKey }: OwnWrite): void {
  for (const { index, key } of keys) if (index.reserved.get(key)?.idKey === idKey) index.reserved.delete(key);
}

export const writeConflict = () =>
  new CommandError(112, 'WriteConflict error: please retry your operation or multi-document transaction.');

function mapIn<V>(maps: Map<Collection, Map<string, V>>, collection: Collection): Map<string, V> {
  const map = maps.get(collection) ?? new Map<string, V>();
  maps.set(collection, map);
  return map;
}
