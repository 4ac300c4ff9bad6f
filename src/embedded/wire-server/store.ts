import { Timestamp } from 'bson';
import { Collection, docOf, Index } from './collection.ts';
import { fail } from './errors.ts';
import { EventLog } from './event-log.ts';
import { Journal } from './journal.ts';
import { Sessions } from './sessions.ts';
import { DataFolder } from './snapshot.ts';
import type { OwnWrite, Transaction } from './transaction.ts';
import { Doc, doc, type Value } from './value.ts';
import { WriteBatch } from './write-batch.ts';

/** The one clock: $currentDate, localTime and TTL read it, so that a test can move it. */
export const clock = { now: (): Date => new Date() };

/** What a frame says of the session that wrote it, so that a repeated command finds its reply even after a crash. */
export interface FrameSession {
  readonly key: string;
  readonly lsid: Value;
  readonly number: bigint;
  readonly reply: Doc;
  readonly transaction: boolean;
}

export class Store {
  readonly collections = new Map<string, Collection>();
  readonly events = new EventLog();
  readonly sessions = new Sessions();
  readonly openTransactions = new Set<Transaction>();
  clusterTime = new Timestamp({ t: Math.floor(Date.now() / 1000), i: 1 });
  /** Plain writers that wait for a transaction to end. */
  waiting = 0;
  /** Where the last frame ends. */
  position = 0;
  readonly journal: Journal;
  readonly #folder: DataFolder;
  #busy = false;
  readonly #queue: (() => void)[] = [];

  constructor(dataDir: string, holdMs: number, compactBytes: number) {
    this.#folder = new DataFolder(dataDir, compactBytes);
    const end = this.#folder.recover(this);
    for (const collection of this.collections.values()) collection.buildAll();
    // All that was read is on the disk.
    this.events.shown = this.events.next - 1;
    const file = this.#folder.path('journal', this.#folder.generation);
    this.journal = new Journal(file, end, holdMs, position => this.events.reveal(position));
    this.position = end;
  }

  // --- catalog ---

  find(ns: string): Collection | undefined {
    return this.collections.get(ns);
  }

  /** The collection, made if it is not there yet. One that a transaction makes stays hidden until the commit. */
  make(batch: WriteBatch, db: string, name: string, options: Doc = new Doc(), maker?: Transaction): Collection {
    const known = this.collections.get(`${db}.${name}`);
    if (known && (!known.maker || maker)) return known;
    const collection = known ?? new Collection(db, name, options);
    collection.maker = maker;
    this.collections.set(collection.ns, collection);
    maker?.made.add(collection);
    if (maker) return collection;
    batch.note({ entry: doc({ o: 'create', n: collection.ns, d: options, u: collection.uuid.toString('hex') }) });
    return collection;
  }

  drop(batch: WriteBatch, collection: Collection): void {
    this.collections.delete(collection.ns);
    const { db, name } = collection;
    batch.note({ entry: doc({ o: 'drop', n: collection.ns }), event: { kind: 'drop', db, collection: name } });
  }

  rename(batch: WriteBatch, source: Collection, to: string): void {
    const { db, name } = source;
    this.collections.delete(source.ns);
    this.collections.set(to, source.renamed(to));
    batch.note({
      entry: doc({ o: 'rename', n: source.ns, d: doc({ to }) }),
      event: { kind: 'rename', db, collection: name, to },
    });
  }

  /** Builds in slices while no other writer has its turn; readers see the index when it is complete. */
  async addIndex(batch: WriteBatch, collection: Collection, spec: Doc): Promise<void> {
    const index = new Index(spec);
    await collection.build(index);
    collection.indexes.set(index.name, index);
    batch.note({ entry: doc({ o: 'index', n: collection.ns, d: spec }) });
  }

  dropIndex(batch: WriteBatch, collection: Collection, name: string): void {
    collection.indexes.delete(name);
    batch.note({ entry: doc({ o: 'unindex', n: collection.ns, d: doc({ name }) }) });
  }

  setOptions(batch: WriteBatch, collection: Collection, options: Doc): void {
    collection.setOptions(options);
    batch.note({ entry: doc({ o: 'options', n: collection.ns, d: options }) });
  }

  // --- writing: one command at a time ---

  async enter(): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return;
    }
    await new Promise<void>(resolve => this.#queue.push(resolve));
  }

  leave(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#busy = false;
  }

  newBatch(): WriteBatch {
    return new WriteBatch(this.openTransactions);
  }

  tick(): Timestamp {
    const seconds = Math.floor(clock.now().getTime() / 1000);
    const { t, i } = this.clusterTime;
    this.clusterTime = seconds > t ? new Timestamp({ t: seconds, i: 1 }) : new Timestamp({ t, i: i + 1 });
    return this.clusterTime;
  }

  /** Journals what the batch has applied. Returns the position that a durable answer must wait for. */
  frame(batch: WriteBatch, session?: FrameSession): number {
    const { ops } = batch;
    if (ops.length === 0 && !session) return this.position;
    batch.ops = [];
    const time = this.tick();
    const wallTime = clock.now();
    const record = session && doc({ l: session.lsid, n: session.number, r: session.reply, x: session.transaction });
    const entries = ops.map(op => op.entry);
    const frame = doc({ t: time, w: wallTime, e: BigInt(this.events.next), ops: entries, s: record });
    this.position = this.journal.append(frame);
    const transaction = session?.transaction ? { lsid: session.lsid, number: session.number } : undefined;
    for (const { event } of ops)
      if (event) this.events.add(event, { position: this.position, time, wallTime, transaction });
    if (session && record) this.sessions.remember(session.key, record);
    this.#folder.maybeCompact(this);
    return this.position;
  }

  /**
   * A plain writer met a transaction's lock: it journals what it did so far, lets others write, and goes on when the
   * transaction has ended. What it read before may have changed meanwhile.
   */
  async waitFor(batch: WriteBatch, transaction: Transaction, deadline: number): Promise<void> {
    this.frame(batch);
    this.leave();
    this.waiting++;
    const late = new AbortController();
    const ms = Math.max(0, deadline - performance.now());
    const timeout = Number.isFinite(ms) ? setTimeout(() => late.abort(), ms) : undefined;
    await Promise.race([transaction.done, new Promise(resolve => late.signal.addEventListener('abort', resolve))]);
    clearTimeout(timeout);
    this.waiting--;
    await this.enter();
    if (late.signal.aborted) fail(50, 'operation exceeded time limit');
  }

  // --- transactions ---

  commit(transaction: Transaction, lsid: Value, key: string, reply: Doc): number {
    const batch = this.newBatch();
    this.openTransactions.delete(transaction);
    for (const { db, name, options } of transaction.made) this.make(batch, db, name, options);
    for (const [collection, writes] of transaction.own) {
      if (this.collections.get(collection.ns) !== collection) fail(112, `the collection ${collection.ns} was dropped`);
      // Deletes first: an insert of the same transaction may use a unique key that a delete frees.
      const ordered = [...writes.values()].sort((a, b) => Number(a.bytes !== null) - Number(b.bytes !== null));
      for (const write of ordered) applyOwn(batch, collection, write);
    }
    transaction.release();
    return this.frame(batch, { key, lsid, number: transaction.number, reply, transaction: true });
  }

  /** Ends a transaction from outside, as a drop or a step-down does. */
  endTransaction(transaction: Transaction): void {
    Object.assign(this.sessions.state(transaction.key), { transaction: undefined, ended: 'aborted' });
    this.abort(transaction);
  }

  async close(): Promise<void> {
    await this.#folder.close();
    await this.journal.close();
  }

  abort(transaction: Transaction): void {
    this.openTransactions.delete(transaction);
    for (const { maker, ns } of transaction.made) if (maker === transaction) this.collections.delete(ns);
    transaction.release();
  }
}

function applyOwn(batch: WriteBatch, collection: Collection, { rec, bytes, replaced }: OwnWrite): void {
  const before = rec && docOf(rec);
  const after = bytes === null ? undefined : Doc.fromBytes(bytes);
  if (!before && !after) return;
  // Which fields several updates touched is not kept; naming all of them checks every index.
  const fields = [...(before?.fields ?? []), ...(after?.fields ?? [])];
  const touched = replaced ? undefined : new Set(fields.map(field => field.name));
  batch.write(collection, rec, before, after, bytes ?? '', touched);
}
