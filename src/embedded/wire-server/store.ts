import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Binary, Timestamp } from 'bson';
import { docAt, flat, readFields } from '../documents/codec.ts';
import { fail } from '../documents/errors.ts';
import { Doc, doc, type Field, type Value } from '../documents/value.ts';
import { keyOf } from '../documents/value-keys.ts';
import { Collection, docOf, Index, newRecord, type Rec } from './collection.ts';
import { type Event, EventLog, type Moment } from './event-log.ts';
import { Journal } from './journal.ts';
import { pieces } from './pieces.ts';
import { Sessions } from './sessions.ts';
import type { Transaction } from './transaction.ts';

/**
 * What a command has changed in memory, to be journaled in one frame. Nothing may be awaited between the two, or a later
 * command's frame could reach the journal first.
 */
export type Batch = { readonly entry: Doc; readonly event: Event | undefined }[];

type CatalogKind = 'create' | 'drop' | 'dropDatabase' | 'rename' | 'index' | 'unindex' | 'options';

/** A write to one document: `after` takes the place of `before`, which is what `rec` holds; either may be missing. */
interface Write {
  readonly collection: Collection;
  readonly rec: Rec | undefined;
  readonly before: Doc | undefined;
  readonly after: Doc | undefined;
  /** First parts of the paths that an update has touched; undefined for a replacement. */
  readonly touched?: ReadonlySet<string> | undefined;
}

const LONGEST_WAIT_MS = 2 ** 31 - 1;
const DOCUMENT_KINDS: ReadonlySet<string> = new Set(['insert', 'update', 'replace', 'delete']);

/** All data. What is in memory is what the journal says, plus what is on its way there. */
export class Store {
  readonly collections = new Map<string, Collection>();
  readonly events = new EventLog();
  readonly sessions = new Sessions();
  readonly openTransactions = new Set<Transaction>();
  readonly journal: Journal;
  clusterTime = new Timestamp({ t: Math.floor(Date.now() / 1000), i: 1 });
  /** Plain writers that wait for a transaction to end. */
  waiting = 0;
  readonly #compactBytes: number;
  #compacting: Promise<void> | undefined;
  #busy = false;
  readonly #queue: (() => void)[] = [];
  #recovering: false | 'snapshot' | 'tail' = 'tail';

  private constructor(folder: string, holdMs: number, compactBytes: number) {
    this.#compactBytes = compactBytes;
    const file = path.join(folder, 'journal.log');
    const replay = (parts: Buffer[]) => this.#replay(parts);
    this.journal = new Journal(file, holdMs, replay, position => this.events.reveal(position));
    // The tail may be torn; the snapshot before it was durable when it took its name.
    if (this.#recovering === 'snapshot') throw new Error(`${file} is damaged at byte ${this.journal.position}`);
    this.#recovering = false;
    this.events.shown = this.events.next - 1;
  }

  /** Recovers what the folder holds. A journal shorter than `compactBytes` is not worth being compacted. */
  static async open(folder: string, holdMs: number, compactBytes: number): Promise<Store> {
    const store = new Store(folder, holdMs, compactBytes);
    for (const collection of store.collections.values()) await collection.build([...collection.indexes.values()]);
    return store;
  }

  // --- changes: the same live and in recovery ---

  /** Changes the catalog. `ready` is what the change brings, if it is there already: a collection, or an index with its keys. */
  change(batch: Batch, kind: CatalogKind, ns: string, body: Doc, ready?: Collection | Index): void {
    batch.push({ entry: doc({ o: kind, n: ns, d: body }), event: this.#apply(kind, ns, body, ready) });
  }

  #apply(kind: CatalogKind, ns: string, body: Doc, ready?: Collection | Index): Event | undefined {
    const { collections } = this;
    const collection = collections.get(ns);
    const made = (one: Index) => Object.assign(one, { built: !this.#recovering });
    const text = (name: string) => body.get(name) as string;
    if (kind === 'create') {
      const created = ready ?? new Collection(ns, body.get('options') as Doc, body.get('uuid') as Binary);
      collections.set(ns, created as Collection);
      for (const index of (created as Collection).indexes.values()) made(index);
    } else if (kind === 'index') collection?.indexes.set(text('name'), made((ready as Index) ?? new Index(body)));
    else if (kind === 'unindex') collection?.indexes.delete(text('name'));
    else if (kind === 'options') collection?.setOptions(body);
    else {
      collections.delete(ns);
      if (kind !== 'rename') return { kind, ns };
      collections.set(text('to'), collection as Collection);
      collection?.moveTo(text('to'));
      return { kind, ns, to: text('to') };
    }
    return undefined;
  }

  write(batch: Batch, write: Write): void {
    const { before, after, touched, collection } = write;
    const id = (after ?? (before as Doc)).get('_id') as Value;
    const kind = !before ? 'insert' : !after ? 'delete' : touched ? 'update' : 'replace';
    const event = this.#put(write, write.rec ?? newRecord(keyOf(id)), kind, id);
    const body = after ? Doc.fromBytes(event.after as string) : doc({ _id: id });
    batch.push({ entry: doc({ o: kind, n: collection.ns, d: body }), event });
  }

  #put({ collection, before, after, touched }: Write, rec: Rec, kind: Event['kind'], id: Value): Event {
    const old = before && rec.bytes;
    for (const transaction of this.openTransactions) transaction.remember(collection, rec.idKey, old ?? null);
    collection.put(rec, before, after, touched);
    return { kind, ns: collection.ns, id, before: old, after: after && rec.bytes };
  }

  /** Does one frame again. Indexes are left for the end. */
  #replay(parts: Buffer[]): void {
    const frame = docAt(parts.pop() as Buffer);
    const time = frame.get('t') as Timestamp;
    const part = frame.get('snapshot');
    this.clusterTime = time;
    this.events.next = Number(frame.get('e'));
    const events = [...parts.map(part => docAt(part)), frame].flatMap(part => this.#replayPart(part));
    const session = frame.find('s');
    // What a snapshot holds has happened long ago: a stream cannot be resumed before it.
    if (part !== undefined) this.events.oldest = this.events.next;
    this.#recovering = part === 'part' ? 'snapshot' : 'tail';
    const moment = { position: 0, time, wallTime: frame.get('w') as Date };
    this.#tell(part === undefined ? events : [], moment, session && copyOf(session));
  }

  #replayPart(part: Doc): (Event | undefined)[] {
    const ops = part.find('ops') as Field;
    // One after the other: a frame of decoded entries would outlive its youth, and what is dead by then costs most.
    return readFields(ops.bytes).map(op => this.#replayEntry(Doc.fromBytes(op.bytes)));
  }

  #replayEntry(op: Doc): Event | undefined {
    const kind = op.get('o') as Event['kind'];
    const ns = op.get('n') as string;
    const body = op.find('d') as Field;
    const collection = this.collections.get(ns);
    if (!collection || !DOCUMENT_KINDS.has(kind)) return this.#apply(kind as CatalogKind, ns, copyOf(body));
    const id = (body.value as Doc).first?.value as Value;
    const idKey = keyOf(id);
    const rec = collection.records.get(idKey);
    const after = kind === 'delete' ? undefined : copyOf(body);
    return this.#put({ collection, rec, before: rec && docOf(rec), after }, rec ?? newRecord(idKey), kind, id);
  }

  /** A frame is in the journal, or was read there: change streams and repeated commands can know of it. */
  #tell(events: (Event | undefined)[], at: Omit<Moment, 'transaction'>, record: Doc | undefined): void {
    const [lsid, number] = record?.get('x') === true ? [record.get('l'), record.get('n')] : [];
    const moment = { ...at, transaction: lsid && number ? { lsid, number } : undefined };
    for (const event of events) if (event) this.events.add(event, moment);
    if (record) this.sessions.remember(record);
  }

  // --- writing: one command at a time ---

  async enter(): Promise<void> {
    if (this.#busy) await new Promise<void>(resolve => this.#queue.push(resolve));
    this.#busy = true;
  }

  leave(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#busy = false;
  }

  /**
   * Journals what a batch has changed, with the record by which a repeated command is recognised. Returns the position
   * that a durable answer must wait for.
   */
  frame(batch: Batch, record?: Doc): number {
    if (batch.length === 0 && !record) return this.journal.position;
    const changes = batch.splice(0);
    const [time, wallTime] = [this.#tick(), new Date()];
    const parts = Array.from(pieces(changes, sizeOf), part => part.map(({ entry }) => entry));
    const last = { t: time, w: wallTime, e: BigInt(this.events.next), ops: parts.pop() ?? [], s: record };
    this.journal.append([...parts.map(ops => doc({ ops })), doc(last)]);
    const { position } = this.journal;
    const events = changes.map(({ event }) => event);
    this.#tell(events, { position, time, wallTime }, record);
    this.#maybeCompact();
    return position;
  }

  #tick(): Timestamp {
    const seconds = Math.floor(Date.now() / 1000);
    const { t, i } = this.clusterTime;
    this.clusterTime = seconds > t ? new Timestamp({ t: seconds, i: 1 }) : new Timestamp({ t, i: i + 1 });
    return this.clusterTime;
  }

  #maybeCompact(): void {
    const { size } = this.journal;
    if (this.#compacting || size < this.#compactBytes) return;
    let live = 0;
    for (const { bytes } of this.collections.values()) live += bytes;
    // It grows on while it is compacted, and is to stay below three times the data.
    if (size < live * 1.75) return;
    this.#compacting = this.journal.compact(this.#state()).finally(() => {
      this.#compacting = undefined;
    });
  }

  /** Frames that make the state of this moment. Documents are immutable strings: holding on to them is all it takes. */
  #state(): Iterable<Doc> {
    const rest = { t: this.clusterTime, w: new Date(), e: BigInt(this.events.next), snapshot: 'part' };
    const contents = Array.from(this.collections.values(), ({ ns, options, uuid, indexes, records }) => ({
      ns,
      head: [
        doc({ o: 'create', n: ns, d: { options, uuid } }),
        ...Array.from(indexes.values(), ({ spec }) => doc({ o: 'index', n: ns, d: spec })),
      ],
      documents: Array.from(records.values(), rec => rec.bytes),
    }));
    const records = this.sessions.records();
    return (function* () {
      for (const { ns, head, documents } of contents) {
        yield doc({ ...rest, ops: head });
        for (const some of pieces(documents, bytes => bytes.length))
          yield doc({ ...rest, ops: some.map(bytes => doc({ o: 'insert', n: ns, d: Doc.fromBytes(bytes) })) });
      }
      for (const s of records) yield doc({ ...rest, ops: [], s });
      yield doc({ ...rest, ops: [], snapshot: 'end' });
    })();
  }

  // --- transactions ---

  /**
   * A plain writer met a transaction's lock: it journals what it did so far, lets others write, and goes on when the
   * transaction has ended. What it read before may have changed meanwhile.
   */
  async waitFor(batch: Batch, { done }: Transaction, deadline: number): Promise<void> {
    this.frame(batch);
    this.leave();
    this.waiting++;
    const ended = new AbortController();
    const ms = Math.min(Math.max(0, deadline - performance.now()), LONGEST_WAIT_MS);
    const late = await Promise.race([done, setTimeout(ms, true, { signal: ended.signal })]);
    ended.abort();
    this.waiting--;
    await this.enter();
    if (late) fail(50, 'operation exceeded time limit');
  }

  /** The open transaction that has written this document. */
  lockOf(collection: Collection, idKey: string): Transaction | undefined {
    for (const transaction of this.openTransactions)
      if (transaction.own.get(collection)?.has(idKey)) return transaction;
    return undefined;
  }

  commit(transaction: Transaction, record: Doc): number {
    const batch: Batch = [];
    const { made, own } = transaction;
    for (const ns of made.keys()) if (this.collections.has(ns)) fail(112, `the collection ${ns} was made by another`);
    for (const [ns, one] of made) this.change(batch, 'create', ns, doc({ options: one.options, uuid: one.uuid }), one);
    this.#end(transaction, 'committed');
    for (const [collection, writes] of own) {
      // Deletes first: an insert of the same transaction may use a unique key that a delete frees.
      const ordered = [...writes.values()].sort((a, b) => Number(a.bytes !== null) - Number(b.bytes !== null));
      for (const { rec, bytes, replaced } of ordered) {
        const before = rec && docOf(rec);
        const after = bytes === null ? undefined : Doc.fromBytes(bytes);
        // Which fields several updates touched is not kept; naming all of them checks every index.
        const fields = [...(before?.fields ?? []), ...(after?.fields ?? [])];
        const touched = replaced ? undefined : new Set(fields.map(field => field.name));
        if (before || after) this.write(batch, { collection, rec, before, after, touched });
      }
    }
    return this.frame(batch, record);
  }

  abort(transaction: Transaction): void {
    if (transaction.state === 'open') this.#end(transaction, 'aborted');
  }

  /** Its locks and keys are free again; the waiting writers go on. */
  #end(transaction: Transaction, state: 'committed' | 'aborted'): void {
    transaction.state = state;
    this.openTransactions.delete(transaction);
    transaction.finish();
  }

  async close(): Promise<void> {
    await this.#compacting;
    await this.journal.close();
  }
}

const sizeOf = ({ event }: Batch[number]): number => event?.after?.length ?? 0;

/** A document of its own: the frame that it is read from is a large one. */
const copyOf = ({ bytes }: Field): Doc => Doc.fromBytes(flat(bytes));
