import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';
import type { StoreContext } from './store-context.ts';

/** A lane about which something was said; lanes without a document run. */
export interface LaneDocument {
  _id: string;
  pausedAt?: Date;
  pausedUntil?: Date;
  pausedBy?: string;
  reason?: string;
}

const LOOK_MS = 15_000;

/** Which lanes are paused, read from MongoDB every fifteen seconds: a pause survives Redis. */
export class LanePauses implements Service {
  readonly #loop: PollLoop;
  readonly #context: StoreContext;
  #paused: LaneDocument[] = [];

  constructor(context: StoreContext, onError: (error: unknown) => void) {
    this.#context = context;
    this.#loop = new PollLoop({ tick: () => this.#look(), onError, errorDelayMs: LOOK_MS });
  }

  start(): Promise<void> {
    return this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  isPaused(lane: string): boolean {
    return this.#paused.some(
      entry => entry._id === lane && (!entry.pausedUntil || entry.pausedUntil > this.#context.clock.now()),
    );
  }

  async #look(): Promise<number> {
    const lanes = this.#context.db.collection<LaneDocument>('lanes');
    this.#paused = await this.#context.bounded(lanes.find({ pausedAt: { $exists: true } }).toArray(), 'lane pauses');
    return LOOK_MS;
  }
}
