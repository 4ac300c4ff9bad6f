import { Timestamp } from 'bson';
import type { Context } from './context.ts';
import { words } from './context.ts';
import type { CursorSource } from './cursors.ts';
import { difference } from './diff.ts';
import { fail } from './errors.ts';
import type { Event } from './event-log.ts';
import { docToPlain, fromObject, runMingo } from './expression.ts';
import { compileFilter } from './match.ts';
import type { Services } from './server.ts';
import { asText, Doc, doc, Field, show, type Value } from './value.ts';
import { keyOf } from './value-order.ts';

/** Stages that may follow $changeStream. */
const STAGES = new Set(words(`$match $project $addFields $set $unset $replaceRoot $replaceWith $redact`));
const OPTIONS = new Set([
  'fullDocument',
  'fullDocumentBeforeChange',
  'resumeAfter',
  'startAfter',
  'startAtOperationTime',
  'allChangesForCluster',
  'showExpandedEvents',
]);

/** What a stream watches: one collection, a database, or everything. */
export interface Watched {
  readonly db: string | undefined;
  readonly collection: string | undefined;
}

const NORMAL = '01';
const INVALIDATE = '02';

/** A token names an event: opaque to drivers, 82 + its number in hexadecimal + whether it is the invalidation after it. */
const tokenOf = (seq: number, kind = NORMAL): Doc =>
  doc({ _data: `82${seq.toString(16).padStart(16, '0').toUpperCase()}${kind}` });

function seqOf(token: Value | undefined): { seq: number; kind: string } {
  const data = token instanceof Doc ? token.get('_data') : undefined;
  const parts = typeof data === 'string' ? /^82([0-9A-F]{16})(0[12])$/i.exec(data) : null;
  if (!parts) return fail(token instanceof Doc ? 260 : 14, 'the resume token is not one of this server');
  return { seq: Number.parseInt(parts[1] as string, 16), kind: parts[2] as string };
}

export class ChangeStream implements CursorSource {
  readonly waits = true;
  done = false;
  readonly #services: Services;
  readonly #watched: Watched;
  readonly #options: Doc;
  readonly #transform: (event: Doc) => Doc | undefined;
  /** The last event it has looked at. */
  #seq: number;
  #token: Doc;
  #wake: (() => void) | undefined;

  constructor(services: Services, watched: Watched, stages: Doc[]) {
    this.#services = services;
    this.#watched = watched;
    this.#options = checkOptions(stages[0] as Doc);
    this.#transform = compileStages(stages.slice(1));
    this.#seq = this.#start();
    this.#token = tokenOf(this.#seq);
  }

  #start(): number {
    const { events } = this.#services.store;
    const after = this.#options.get('resumeAfter') ?? this.#options.get('startAfter');
    if (after !== undefined) {
      const { seq, kind } = seqOf(after);
      if (kind === INVALIDATE && this.#options.has('resumeAfter'))
        return fail(
          260,
          "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.",
        );
      if (seq >= events.next) return fail(280, 'cannot resume stream; the resume token was not found');
      if (seq + 1 < events.oldest)
        return fail(
          286,
          'Resume of change stream was not possible, as the resume point may no longer be in the oplog.',
        );
      return seq;
    }
    const from = this.#options.get('startAtOperationTime');
    if (from === undefined) return events.shown;
    if (!(from instanceof Timestamp))
      return fail(14, "BSON field '$changeStream.startAtOperationTime' is the wrong type, expected type 'timestamp'");
    return this.#seqBefore(from);
  }

  #seqBefore(from: Timestamp): number {
    const { events } = this.#services.store;
    for (const event of events.after(events.oldest - 1)) {
      if (event.time.compare(from) < 0) continue;
      if (event.seq === events.oldest && events.oldest > 1)
        return fail(
          286,
          'Resume of change stream was not possible, as the resume point may no longer be in the oplog.',
        );
      return event.seq - 1;
    }
    return events.shown;
  }

  get resumeToken(): Doc {
    return this.#token;
  }

  async next(size: number, { connection }: Context, waitMs = 0): Promise<Doc[]> {
    const batch = this.#collect(size);
    const end = performance.now() + waitMs;
    while (batch.length === 0 && !this.done && !connection.closed && performance.now() < end) {
      await this.#event(end - performance.now(), connection);
      batch.push(...this.#collect(size));
    }
    return batch;
  }

  /** Until something becomes durable, the time is over, or nobody waits any more. */
  async #event(ms: number, connection: Context['connection']): Promise<void> {
    await new Promise<void>(resolve => {
      const finish = () => {
        clearTimeout(timer);
        forgetEvents();
        forgetClose();
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(finish, ms);
      const forgetEvents = this.#services.store.events.listen(finish);
      const forgetClose = connection.onClose(finish);
      this.#wake = finish;
    });
  }

  close(): void {
    this.done = true;
    this.#wake?.();
  }

  #collect(size: number): Doc[] {
    const { events } = this.#services.store;
    const batch: Doc[] = [];
    if (this.#seq + 1 < events.oldest)
      fail(286, 'Resume of change stream was not possible, as the resume point may no longer be in the oplog.');
    for (const event of events.after(this.#seq)) {
      this.#seq = event.seq;
      this.#token = tokenOf(event.seq);
      if (this.#concerns(event)) this.#add(batch, this.#describe(event), this.#token);
      if (this.#invalidates(event)) {
        this.#token = tokenOf(event.seq, INVALIDATE);
        this.#add(
          batch,
          doc({ operationType: 'invalidate', clusterTime: event.time, wallTime: event.wallTime }),
          this.#token,
        );
        this.done = true;
        return batch;
      }
      if (size > 0 && batch.length >= size) return batch;
    }
    return batch;
  }

  #add(batch: Doc[], body: Doc, token: Doc): void {
    const whole = new Doc([new Field('_id', token), ...body.fields]);
    const shown = this.#transform(whole);
    if (!shown) return;
    if (!shown.has('_id'))
      fail(
        280,
        'Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible to resume the stream from that point. Only transformations that retain the unmodified _id field are allowed.',
      );
    batch.push(shown);
  }

  #concerns(event: Event): boolean {
    const { db, collection } = this.#watched;
    if (db === undefined) return true;
    if (event.db !== db) return false;
    if (collection === undefined) return true;
    return event.collection === collection || (event.kind === 'rename' && event.to === `${db}.${collection}`);
  }

  #invalidates(event: Event): boolean {
    const { db, collection } = this.#watched;
    if (db === undefined || event.db !== db) return false;
    if (collection === undefined) return event.kind === 'dropDatabase';
    return (event.kind === 'drop' || event.kind === 'rename') && this.#concerns(event);
  }

  #describe(event: Event): Doc {
    const { kind, db, collection, after, to, transaction } = event;
    const ns = kind === 'dropDatabase' ? doc({ db }) : doc({ db, coll: collection });
    const target =
      to === undefined ? undefined : doc({ db: to.slice(0, to.indexOf('.')), coll: to.slice(to.indexOf('.') + 1) });
    return doc({
      operationType: kind,
      clusterTime: event.time,
      wallTime: event.wallTime,
      ...(transaction && { txnNumber: transaction.number, lsid: transaction.lsid }),
      ...((kind === 'insert' || kind === 'replace') && { fullDocument: Doc.fromBytes(after as string) }),
      ...(kind === 'update' &&
        this.#options.get('fullDocument') !== undefined &&
        this.#options.get('fullDocument') !== 'default' && { fullDocument: this.#lookUp(event) }),
      ns,
      ...(target && { to: target }),
      ...(event.id !== undefined && { documentKey: doc({ _id: event.id }) }),
      ...(kind === 'update' && { updateDescription: describeUpdate(event) }),
    });
  }

  #lookUp({ db, collection, id }: Event): Value {
    const rec = this.#services.store.find(`${db}.${collection}`)?.records.get(keyOf(id as Value));
    return rec ? Doc.fromBytes(rec.bytes) : null;
  }
}

function describeUpdate({ before, after }: Event): Doc {
  const { updatedFields, removedFields, truncatedArrays } = difference(
    Doc.fromBytes(before as string),
    Doc.fromBytes(after as string),
  );
  return doc({ updatedFields, removedFields, truncatedArrays });
}

function checkOptions(stage: Doc): Doc {
  const options = stage.first?.value;
  if (!(options instanceof Doc)) return fail(50808, '$changeStream stage expects a document as argument');
  for (const { name } of options.fields)
    if (!OPTIONS.has(name)) fail(40415, `BSON field '$changeStream.${name}' is an unknown field.`);
  const full = options.get('fullDocument') ?? 'default';
  if (!['default', 'updateLookup', 'whenAvailable', 'required'].includes(asText(full)))
    fail(2, `Enumeration value ${show(full)} for field '$changeStream.fullDocument' is not a valid value.`);
  if (full === 'whenAvailable' || full === 'required')
    fail(115, 'pre- and post-images are not supported by this server');
  const before = options.get('fullDocumentBeforeChange');
  if (before !== undefined && before !== 'off') fail(115, 'pre- and post-images are not supported by this server');
  if (options.get('showExpandedEvents') === true) fail(115, 'showExpandedEvents is not supported by this server');
  return options;
}

function compileStages(stages: Doc[]): (event: Doc) => Doc | undefined {
  const steps = stages.map(stage => {
    const { name = '', value } = stage.first ?? {};
    if (!STAGES.has(name))
      return fail(
        name.startsWith('$') && KNOWN_ELSEWHERE.has(name) ? 20 : 40324,
        `${KNOWN_ELSEWHERE.has(name) ? `${name} is not permitted in a $changeStream pipeline` : `Unrecognized pipeline stage name: '${name}'`}`,
      );
    if (name === '$match') {
      const filter = compileFilter(value as Doc);
      return (event: Doc) => (filter.test(event) ? event : undefined);
    }
    const plain = docToPlain(stage);
    return (event: Doc) => {
      const [result] = runMingo([docToPlain(event)], [plain]);
      return result && fromObject(result);
    };
  });
  return event => steps.reduce<Doc | undefined>((current, step) => current && step(current), event);
}

const KNOWN_ELSEWHERE = new Set(
  words(`$group $sort $limit $skip $unwind $lookup $facet $count $out $merge $bucket $sample`),
);
