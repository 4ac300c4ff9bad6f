import { Timestamp } from 'bson';
import { difference } from '../documents/diff.ts';
import { fail } from '../documents/errors.ts';
import { chain, nameOf } from '../documents/stages.ts';
import { asText, Doc, doc, Field, type Value } from '../documents/value.ts';
import { keyOf } from '../documents/value-keys.ts';
import { words } from '../documents/words.ts';
import { Arguments, type Context } from './context.ts';
import type { CursorSource } from './cursors.ts';
import type { Event, Logged } from './event-log.ts';
import type { Services } from './server.ts';

/** Stages that may not follow $changeStream. */
const FORBIDDEN = words('$group $sort $limit $skip $unwind $lookup $facet $count $out $merge $bucket $sample');
const UNSERVED = words('fullDocumentBeforeChange showExpandedEvents');
const OPTIONS = new Set([
  ...words('fullDocument resumeAfter startAfter startAtOperationTime allChangesForCluster'),
  ...UNSERVED,
]);

const NORMAL = '01';
const INVALIDATE = '02';

/** A token names an event: opaque to drivers, 82 + its number in hexadecimal + whether it is the invalidation after it. */
const tokenOf = (seq: number, kind = NORMAL): Doc =>
  doc({ _data: `82${seq.toString(16).padStart(16, '0').toUpperCase()}${kind}` });

function seqOf(token: Value): { seq: number; kind: string } {
  const data = token instanceof Doc ? token.get('_data') : undefined;
  const [, seq, kind] = /^82([0-9A-F]{16})(0[12])$/i.exec(asText(data)) ?? [];
  if (!seq || !kind) return fail(token instanceof Doc ? 260 : 14, 'the resume token is not one of this server');
  return { seq: Number.parseInt(seq, 16), kind };
}

const lost = (): never =>
  fail(286, 'Resume of change stream was not possible, as the resume point may no longer be in the oplog.');

export class ChangeStream implements CursorSource {
  readonly waits = true;
  done = false;
  resumeToken: Doc;
  readonly #services: Services;
  readonly #watched: string;
  readonly #options: Doc;
  readonly #transform: (event: Doc) => Doc | undefined;
  /** The last event it has looked at. */
  #seq: number;

  /** `watched` is a namespace; one that ends with a dot stands for all of a database, none for everything. */
  constructor(services: Services, watched: string, [first, ...stages]: Doc[]) {
    this.#services = services;
    this.#watched = watched;
    this.#options = checkOptions(first?.first?.value);
    this.#transform = compileStages(stages);
    this.#seq = this.#start();
    this.resumeToken = tokenOf(this.#seq);
  }

  #start(): number {
    const { events } = this.#services.store;
    const after = this.#options.get('resumeAfter') ?? this.#options.get('startAfter');
    const from = this.#options.get('startAtOperationTime');
    if (after !== undefined) {
      const { seq, kind } = seqOf(after);
      if (kind === INVALIDATE && this.#options.has('resumeAfter'))
        fail(260, "Resuming by 'resumeAfter' is not allowed from an invalidate notification.");
      if (seq >= events.next) fail(280, 'cannot resume stream; the resume token was not found');
      return seq + 1 < events.oldest ? lost() : seq;
    }
    if (from === undefined) return events.shown;
    if (!(from instanceof Timestamp)) return fail(14, "'$changeStream.startAtOperationTime' must be a timestamp");
    for (const { seq, time } of events.after(events.oldest - 1))
      if (time.compare(from) >= 0) return seq === events.oldest && seq > 1 ? lost() : seq - 1;
    return events.shown;
  }

  async next(size: number, { connection }: Context, waitMs = 0): Promise<Doc[]> {
    const batch = this.#collect(size);
    const end = performance.now() + waitMs;
    while (batch.length === 0 && !this.done && !connection.closed && performance.now() < end) {
      await connection.until(end - performance.now(), this.#services.store.events.news);
      batch.push(...this.#collect(size));
    }
    return batch;
  }

  close(): void {
    this.done = true;
    this.#services.store.events.news.emit('change');
  }

  #collect(size: number): Doc[] {
    const { events } = this.#services.store;
    const batch: Doc[] = [];
    if (this.#seq + 1 < events.oldest) lost();
    for (const event of events.after(this.#seq)) {
      const { seq, time: clusterTime, wallTime } = event;
      this.#seq = seq;
      this.resumeToken = tokenOf(seq);
      if (!this.#concerns(event)) continue;
      this.#add(batch, this.#describe(event));
      if (this.#invalidates(event)) {
        this.resumeToken = tokenOf(seq, INVALIDATE);
        this.#add(batch, doc({ operationType: 'invalidate', clusterTime, wallTime }));
        this.done = true;
      }
      if (this.done || (size > 0 && batch.length >= size)) break;
    }
    return batch;
  }

  #add(batch: Doc[], body: Doc): void {
    const shown = this.#transform(new Doc([new Field('_id', this.resumeToken), ...body.fields]));
    if (shown && !shown.has('_id')) fail(280, 'The pipeline removed the _id of an event, which is its resume token.');
    if (shown) batch.push(shown);
  }

  #concerns({ ns, to }: Event): boolean {
    const watched = this.#watched;
    return watched === '' || watched.endsWith('.') ? ns.startsWith(watched) : ns === watched || to === watched;
  }

  #invalidates({ kind }: Event): boolean {
    if (this.#watched.endsWith('.')) return kind === 'dropDatabase';
    return this.#watched !== '' && (kind === 'drop' || kind === 'rename');
  }

  #describe(event: Logged): Doc {
    const { kind, ns, before = '', after = '', to, id, time: clusterTime, wallTime, transaction } = event;
    const whole = kind === 'insert' || kind === 'replace' ? Doc.fromBytes(after) : undefined;
    const looksUp = kind === 'update' && this.#options.get('fullDocument') === 'updateLookup';
    const changed = () => difference(Doc.fromBytes(before), Doc.fromBytes(after));
    return doc({
      operationType: kind,
      clusterTime,
      wallTime,
      txnNumber: transaction?.number,
      lsid: transaction?.lsid,
      fullDocument: looksUp ? this.#lookUp(event) : whole,
      ns: namespace(ns),
      to: to === undefined ? undefined : namespace(to),
      documentKey: id === undefined ? undefined : { _id: id },
      updateDescription: kind === 'update' ? changed() : undefined,
    });
  }

  #lookUp({ ns, id }: Event): Value {
    const rec = this.#services.store.collections.get(ns)?.records.get(keyOf(id as Value));
    return rec ? Doc.fromBytes(rec.bytes) : null;
  }
}

function namespace(ns: string): Doc {
  const dot = ns.indexOf('.');
  return doc({ db: ns.slice(0, dot), coll: ns.slice(dot + 1) || undefined });
}

function checkOptions(options: Value | undefined): Doc {
  if (!(options instanceof Doc)) return fail(50808, '$changeStream stage expects a document as argument');
  new Arguments(options, '$changeStream').allow(OPTIONS, UNSERVED);
  const full = asText(options.get('fullDocument') ?? 'default');
  const isKnown = ['whenAvailable', 'required'].includes(full);
  if (!['default', 'updateLookup'].includes(full))
    fail(isKnown ? 115 : 2, `Enumeration value '${full}' for field '$changeStream.fullDocument' is not served.`);
  return options;
}

function compileStages(stages: Doc[]): (event: Doc) => Doc | undefined {
  for (const name of stages.map(nameOf))
    if (FORBIDDEN.includes(name)) fail(20, `${name} is not permitted in a $changeStream pipeline`);
  let shown: Doc | undefined;
  const sink = chain(stages, result => {
    shown = result;
  });
  return event => {
    shown = undefined;
    sink.add(event);
    return shown;
  };
}
