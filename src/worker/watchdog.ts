import { PollLoop } from '../platform/poll-loop.ts';
import type { Service } from '../platform/service.ts';

export interface WatchdogOptions {
  watchdogMs: number;
  /** Jobs of all lanes that are not paused, waiting in the engine. */
  countWaiting: () => Promise<number>;
  freeSlots: () => number;
  rebuild: () => Promise<void>;
  /** The rebuild did not help. */
  giveUp: (reason: string) => void;
  onError: (error: unknown) => void;
}

/** A look that is later than so many would be says that the process stood still. */
const LATE_LOOKS = 4;

/**
 * Notices a consumer that has silently stopped: work waits, a slot was free all the time, and nothing started. Rebuilds the
 * consumer once, then gives the process up. Jobs that fill all slots for hours are no reason: no slot was free.
 */
export class Watchdog implements Service {
  readonly #options: WatchdogOptions;
  readonly #loop: PollLoop;
  #quietSince = performance.now();
  #lookedAt = performance.now();
  #rebuilt = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    const everyMs = Math.max(250, options.watchdogMs / 12);
    this.#loop = new PollLoop({ tick: () => this.#look(everyMs), onError: options.onError, errorDelayMs: everyMs });
  }

  async start(): Promise<void> {
    this.#quietSince = performance.now();
    this.#lookedAt = performance.now();
    await this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** A run began. */
  started(): void {
    this.#quietSince = performance.now();
    this.#rebuilt = false;
  }

  /** All slots are taken. */
  slotsFull(): void {
    this.#quietSince = performance.now();
  }

  async #look(everyMs: number): Promise<number> {
    // A process that stood still (stopped, starved, its machine suspended) has not seen that nothing started.
    if (performance.now() - this.#lookedAt > LATE_LOOKS * everyMs) this.#quietSince = performance.now();
    this.#lookedAt = performance.now();
    if (this.#options.freeSlots() === 0 || (await this.#countWaiting()) === 0) {
      this.#quietSince = performance.now();
      return everyMs;
    }
    if (performance.now() - this.#quietSince < this.#options.watchdogMs) return everyMs;
    if (this.#rebuilt) {
      this.#options.giveUp('work waits, slots are free, and nothing starts although the consumer was rebuilt');
      return everyMs;
    }
    this.#rebuilt = true;
    this.#quietSince = performance.now();
    await this.#options.rebuild();
    return everyMs;
  }

  /** While Redis cannot be asked nothing could start: that is no fault of the consumer, and its time begins afresh. */
  async #countWaiting(): Promise<number> {
    try {
      return await this.#options.countWaiting();
    } catch (error) {
      this.#quietSince = performance.now();
      throw error;
    }
  }
}
