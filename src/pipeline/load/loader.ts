import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';
import type { QueueManager } from '../queue/queue-manager.ts';
import type { JobEvents } from '../record/job-events.ts';
import type { ClaimedJob } from '../store/job-document.ts';
import { batchSize, StartRate, windowSize } from './batch-size.ts';

export interface LoaderOptions {
  lanes: readonly string[];
  batchSize: number;
  /** Backstop: longest time between two looks at an idle lane. */
  intervalMs: number;
  slots: { readonly free: number; readonly size: number };
  queueManager: QueueManager;
  /** Claims and loads one batch of a lane; answers what was claimed. */
  loadBatch: (lane: string, limit: number) => Promise<ClaimedJob[]>;
  /** When the next pending job of a lane is due, in milliseconds from now (negative: overdue); null: none. */
  nextDueInMs: (lane: string) => Promise<number | null>;
  isPaused: (lane: string) => boolean;
  events: JobEvents;
}

/** While slots are busy the window is looked at this often at least: other processes drain it too. */
const BUSY_LOOK_MS = 200;
/** A slot that stays free this long means that the engine had nothing for it. */
const FREE_SLOT_PATIENCE_MS = 10;

/** Moves due jobs from MongoDB into BullMQ, a batch at a time, and never more than the bounded window needs. */
export class Loader implements Service {
  readonly #options: LoaderOptions;
  readonly #loop: PollLoop;
  readonly #rate: StartRate;
  /** What the window held when it was last counted, less our own starts since. */
  #waitingEstimate = 0;
  #freeTimer: NodeJS.Timeout | null = null;
  #isLoading = false;
  /** The last load failed: what it had claimed waits for its lease to end. Until one succeeds only single jobs are risked. */
  #isDoubtful = false;

  constructor(options: LoaderOptions) {
    this.#options = options;
    this.#rate = new StartRate(options.slots.size);
    this.#loop = new PollLoop({
      tick: () => this.#tick(),
      onError: error => options.events.emit('fault', { component: 'loader', error }),
      errorDelayMs: 500,
    });
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  start(): Promise<void> {
    return this.#loop.start();
  }

  async stop(): Promise<void> {
    if (this.#freeTimer) clearTimeout(this.#freeTimer);
    this.#freeTimer = null;
    await this.#loop.stop();
  }

  /** Something became pending. */
  wake(): void {
    this.#loop.wake();
  }

  /** A run began: the window shrank. */
  started(): void {
    this.#rate.add();
    this.#waitingEstimate -= 1;
  }

  /** A slot became free. Looks at once when the window is probably low, else when the slot stays free. */
  slotFreed(): void {
    if (this.#waitingEstimate <= this.#window() / 2) {
      this.#loop.wake();
      return;
    }
    this.#freeTimer ??= setTimeout(() => {
      this.#freeTimer = null;
      if (this.#options.slots.free > 0) this.#loop.wake();
    }, FREE_SLOT_PATIENCE_MS);
  }

  #window(): number {
    return windowSize({ freeSlots: this.#options.slots.free, startsPerSecond: this.#rate.perSecond() });
  }

  async #tick(): Promise<number> {
    const { lanes, intervalMs, slots } = this.#options;
    let waitMs = intervalMs;
    this.#isLoading = true;
    try {
      let waiting = 0;
      for (const lane of lanes) {
        const state = await this.#loadLane(lane);
        waiting += state.waiting;
        waitMs = Math.min(waitMs, state.lookAgainInMs);
      }
      this.#waitingEstimate = waiting;
    } finally {
      this.#isLoading = false;
    }
    return slots.free < slots.size ? Math.min(waitMs, BUSY_LOOK_MS) : waitMs;
  }

  /** Tops the window of one lane up. A full batch is followed by the next at once. */
  async #loadLane(lane: string): Promise<{ waiting: number; lookAgainInMs: number }> {
    const { queueManager, slots, intervalMs, events } = this.#options;
    if (this.#options.isPaused(lane)) return { waiting: 0, lookAgainInMs: intervalMs };
    // Idle slots and nothing known to be due: one cheap look at the index `due` instead of a claim.
    const dueInMs = await this.#options.nextDueInMs(lane);
    if (dueInMs === null) return { waiting: 0, lookAgainInMs: intervalMs };
    if (dueInMs > 0) return { waiting: 0, lookAgainInMs: Math.ceil(dueInMs) };
    for (;;) {
      const waiting = await queueManager.waitingCount(lane);
      const limit = batchSize({
        waiting,
        freeSlots: slots.free,
        startsPerSecond: this.#rate.perSecond(),
        batchSize: this.#isDoubtful ? 1 : this.#options.batchSize,
      });
      if (limit === 0) return { waiting, lookAgainInMs: BUSY_LOOK_MS };
      const claimed = await this.#load(lane, limit);
      if (claimed.length > 0) events.emit('loaded', { lane, count: claimed.length });
      if (claimed.length < limit) {
        const nextInMs = claimed.length === 0 ? BUSY_LOOK_MS : 0;
        return { waiting: waiting + claimed.length, lookAgainInMs: Math.max(nextInMs, 1) };
      }
    }
  }

  async #load(lane: string, limit: number): Promise<ClaimedJob[]> {
    try {
      const claimed = await this.#options.loadBatch(lane, limit);
      if (claimed.length > 0) this.#isDoubtful = false;
      return claimed;
    } catch (error) {
      this.#isDoubtful = true;
      throw error;
    }
  }
}
