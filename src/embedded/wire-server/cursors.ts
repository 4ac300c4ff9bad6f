import { randomBytes } from 'node:crypto';
import { toBytes } from '../documents/codec.ts';
import { fail } from '../documents/errors.ts';
import type { Projection } from '../documents/project.ts';
import { Doc, doc } from '../documents/value.ts';
import type { Context } from './context.ts';
import type { Session } from './sessions.ts';
import type { Transaction } from './transaction.ts';

export interface CursorSource {
  /** The next documents, at most `size` (0 = as many as fit); `waitMs` is for a stream that has none yet. */
  next(size: number, context: Context, waitMs?: number): Promise<Doc[]>;
  readonly done: boolean;
  /** Added to every batch of a change stream. */
  readonly resumeToken?: Doc;
  /** Change streams only: getMore may wait. */
  readonly waits?: boolean;
  close?(): void;
}

/** Something that hands over documents until `take` returns false: a query, or a list. */
interface Supply {
  readonly done: boolean;
  each(take: (found: { readonly doc: Doc; readonly bytes: string }) => boolean): Promise<void>;
}

/** A batch is closed when it is longer: with one more document it still fits into a message. */
const LONG_BATCH = 15 * 1024 * 1024;
export const FIRST_BATCH = 101;

export const sourceOf = (supply: Supply, project?: Projection): CursorSource => ({
  get done() {
    return supply.done;
  },
  async next(size) {
    const batch: Doc[] = [];
    let total = 0;
    await supply.each(({ doc: document, bytes }) => {
      batch.push(project ? project(document) : Doc.fromBytes(bytes));
      total += bytes.length;
      return batch.length !== size && total < LONG_BATCH;
    });
    return batch;
  },
});

export function listSource(list: Doc[]): CursorSource {
  let at = 0;
  return sourceOf({
    get done() {
      return at >= list.length;
    },
    async each(take) {
      for (let more = true; more && at < list.length; at++) {
        const document = list[at] as Doc;
        more = take({ doc: document, bytes: toBytes(document) });
      }
    },
  });
}

export async function cursorReply(
  context: Context,
  ns: string,
  source: CursorSource,
  size = context.args.count('batchSize', FIRST_BATCH),
): Promise<Doc> {
  const single = context.args.boolean('singleBatch');
  const firstBatch = size === 0 && !single ? [] : await source.next(size, context, 0);
  const id = source.done || single ? 0n : context.services.cursors.open(context, ns, source);
  return doc({ cursor: { firstBatch, postBatchResumeToken: source.resumeToken, id, ns } });
}

interface Cursor {
  readonly id: bigint;
  readonly ns: string;
  readonly source: CursorSource;
  readonly session: Session | undefined;
  readonly transaction: Transaction | undefined;
  lastUse: number;
  busy: boolean;
}

const IDLE_MS = 10 * 60_000;

export class Cursors {
  readonly #cursors = new Map<bigint, Cursor>();
  readonly #sweep = setInterval(() => this.#closeIdle(), 60_000).unref();

  open({ session, transaction }: Context, ns: string, source: CursorSource): bigint {
    const id = randomBytes(8).readBigInt64LE() & 0x7fffffffffffffffn;
    this.#cursors.set(id, { id, ns, source, session, transaction, lastUse: performance.now(), busy: false });
    return id;
  }

  /** The cursor of a getMore, marked busy until `release`. */
  take(id: bigint, ns: string, { session, transaction }: Context): Cursor {
    const cursor = this.#cursors.get(id);
    if (!cursor) return fail(43, `cursor id ${id} not found`);
    if (cursor.ns !== ns) fail(13, `Requested getMore on namespace '${ns}', but cursor belongs to ${cursor.ns}`);
    const created = `Cannot run getMore on cursor ${id}, which was created in another`;
    if (cursor.session !== session) fail(50738, `${created} session`);
    if (cursor.transaction !== transaction) fail(50740, `${created} transaction`);
    if (cursor.busy) fail(237, `cursor id ${id} is already in use`);
    cursor.busy = true;
    return cursor;
  }

  release(cursor: Cursor): void {
    Object.assign(cursor, { busy: false, lastUse: performance.now() });
    if (cursor.source.done) this.kill(cursor.id);
  }

  kill(id: bigint, ns?: string): boolean {
    const cursor = this.#cursors.get(id);
    if (!cursor || (ns ?? cursor.ns) !== cursor.ns) return false;
    cursor.source.close?.();
    return this.#cursors.delete(id);
  }

  #closeIdle(): void {
    const oldest = performance.now() - IDLE_MS;
    for (const { id, busy, lastUse } of this.#cursors.values()) if (!busy && lastUse < oldest) this.kill(id);
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const id of this.#cursors.keys()) this.kill(id);
  }
}
