import { randomBytes } from 'node:crypto';
import type { Context } from './context.ts';
import { fail } from './errors.ts';
import type { Doc } from './value.ts';

/** Where a cursor's documents come from. */
export interface CursorSource {
  /** The next documents, at most `size` (0 = as many as fit); `waitMs` is for a stream that has none yet. */
  next(size: number, context: Context, waitMs?: number): Promise<Doc[]>;
  readonly done: boolean;
  /** Added to every batch of a change stream. */
  readonly resumeToken?: Doc;
  /** Change streams and tailable cursors only: getMore may wait. */
  readonly waits?: boolean;
  close?(): void;
}

interface Cursor {
  readonly id: bigint;
  readonly ns: string;
  readonly source: CursorSource;
  readonly session: string | undefined;
  readonly transaction: bigint | undefined;
  readonly keep: boolean;
  lastUse: number;
  busy: boolean;
}

const IDLE_MS = 10 * 60_000;

export class Cursors {
  readonly #cursors = new Map<bigint, Cursor>();
  readonly #sweep = setInterval(() => this.#closeIdle(), 60_000).unref();

  open(context: Context, ns: string, source: CursorSource, keep = false): bigint {
    const id = randomBytes(8).readBigInt64LE() & 0x7fffffffffffffffn;
    const { session } = context;
    this.#cursors.set(id, {
      id,
      ns,
      source,
      session: session?.key,
      transaction: session?.transaction?.number,
      keep,
      lastUse: performance.now(),
      busy: false,
    });
    return id;
  }

  /** The cursor of a getMore, marked busy until `release`. */
  take(id: bigint, ns: string, context: Context): Cursor {
    const cursor = this.#cursors.get(id);
    if (!cursor) return fail(43, `cursor id ${id} not found`);
    if (cursor.ns !== ns)
      return fail(
        13,
        `Requested getMore on namespace '${ns}', but cursor belongs to a different namespace ${cursor.ns}`,
      );
    if (cursor.session !== context.session?.key)
      return fail(50738, `Cannot run getMore on cursor ${id}, which was created in another session`);
    if (cursor.transaction !== context.session?.transaction?.number)
      return fail(50740, `Cannot run getMore on cursor ${id}, which was created in another transaction`);
    if (cursor.busy) return fail(237, `cursor id ${id} is already in use`);
    cursor.busy = true;
    return cursor;
  }

  release(cursor: Cursor): void {
    cursor.busy = false;
    cursor.lastUse = performance.now();
    if (cursor.source.done) this.kill(cursor.id);
  }

  kill(id: bigint, ns?: string): boolean {
    const cursor = this.#cursors.get(id);
    if (!cursor || (ns !== undefined && cursor.ns !== ns)) return false;
    cursor.source.close?.();
    return this.#cursors.delete(id);
  }

  #closeIdle(): void {
    const now = performance.now();
    for (const cursor of this.#cursors.values())
      if (!cursor.keep && !cursor.busy && now - cursor.lastUse > IDLE_MS) this.kill(cursor.id);
  }

  get size(): number {
    return this.#cursors.size;
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const id of this.#cursors.keys()) this.kill(id);
  }
}
