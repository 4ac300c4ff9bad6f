import { CommandError } from '../documents/errors.ts';
import type { Collection, Index, Rec } from './collection.ts';

/** One document a transaction has written: its bytes (null = deleted), and the record it replaces. */
export interface OwnWrite {
  readonly collection: Collection;
  readonly idKey: string;
  readonly rec: Rec | undefined;
  readonly bytes: string | null;
  /** Its last write replaced the whole document: change streams tell it so. */
  readonly replaced: boolean;
  /** The unique keys of this version: nobody else may take them before the transaction has ended. */
  readonly keys: readonly string[];
}

/** A multi-document transaction: it reads as of its first operation, and its writes stay its own until it commits. */
export class Transaction {
  readonly number: bigint;
  state: 'open' | 'committed' | 'aborted' = 'open';
  readonly own = new Map<Collection, Map<string, OwnWrite>>();
  /** What others replaced since this transaction began: the version it must go on seeing (null = was not there). */
  readonly before = new Map<Collection, Map<string, string | null>>();
  /** Collections that come into being with its commit, by namespace. */
  readonly made = new Map<string, Collection>();
  readonly #keys = new Map<string, string>();
  finish: () => void = () => undefined;
  readonly done = new Promise<void>(resolve => {
    this.finish = resolve;
  });

  constructor(number: bigint) {
    this.number = number;
  }

  shadows(collection: Collection, idKey: string): boolean {
    return Boolean(this.own.get(collection)?.has(idKey) || this.before.get(collection)?.has(idKey));
  }

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

  /** True if one of its documents other than `idKey` has this unique key. */
  reserves(key: string, idKey: string | undefined): boolean {
    return this.#keys.has(key) && this.#keys.get(key) !== idKey;
  }

  write(write: OwnWrite): void {
    const { collection, idKey, keys } = write;
    if (this.before.get(collection)?.has(idKey)) throw writeConflict();
    const own = mapIn(this.own, collection);
    const known = own.get(idKey);
    for (const key of known?.keys ?? []) this.#keys.delete(key);
    for (const key of keys) this.#keys.set(key, idKey);
    own.set(idKey, known ? { ...write, rec: known.rec } : write);
  }
}

/** A unique key as transactions reserve it. */
export const reservation = ({ ns }: Collection, { name }: Index, key: string): string => `${ns}\0${name}\0${key}`;

export const writeConflict = () =>
  new CommandError(112, 'WriteConflict error: please retry your operation or multi-document transaction.');

function mapIn<V>(maps: Map<Collection, Map<string, V>>, collection: Collection): Map<string, V> {
  const map = maps.get(collection) ?? new Map<string, V>();
  maps.set(collection, map);
  return map;
}
