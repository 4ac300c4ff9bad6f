import type { mongo } from 'mongoose';
import type { Service } from './service.ts';

const REFRESH_MS = 60_000;
const TRUSTED_ROUND_TRIP_MS = 500;

/**
 * An estimate of MongoDB's clock: `localTime` of the last `hello` plus the monotonic time since. Processes whose own wall
 * clocks are wrong, or jump, agree about what is due.
 */
export class LedgerClock implements Service {
  readonly #hello: () => Promise<mongo.Document>;
  #base: { server: number; monotonic: number } | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(hello: () => Promise<mongo.Document>) {
    this.#hello = hello;
  }

  async start(): Promise<void> {
    await this.#refresh();
    this.#timer ??= setInterval(() => this.refreshSoon(), REFRESH_MS).unref();
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** @throws Error before `start()`. */
  now(): Date {
    if (!this.#base) throw new Error('the clock of MongoDB has not been read yet');
    return new Date(Math.round(this.#base.server + performance.now() - this.#base.monotonic));
  }

  /** Reads the clock again in the background; a failure keeps the old reading. */
  refreshSoon(): void {
    this.#refresh().catch(() => undefined);
  }

  async #refresh(): Promise<void> {
    const before = performance.now();
    const { localTime } = await this.#hello();
    const after = performance.now();
    // A reply that was long under way says little about now: better an old reading than a wrong one.
    if (this.#base && after - before > TRUSTED_ROUND_TRIP_MS) return;
    this.#base = { server: (localTime as Date).getTime(), monotonic: (before + after) / 2 };
  }
}
