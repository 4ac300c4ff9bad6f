import type { Redis } from 'ioredis';
import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';

const MOST_TOKENS = 100;
/** One push wakes at most so many loaders. */
const MOST_AT_ONCE = 10;
/** After a push the next one waits this long and takes along what came meanwhile: a busy submitter must not push for every job. */
const COLLECT_MS = 5;
const BLOCK_S = 10;

/** A bounded list of lane names in Redis: each token wakes one idle loader of the fleet. Losing it costs latency, never a job. */
export class WakeList {
  readonly #redis: Redis;
  readonly key: string;
  #waiting = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  /** `redis`: a `producer` connection, so that nobody waits for a Redis that is away. */
  constructor(redis: Redis, prefix: string, queueName: string) {
    this.#redis = redis;
    this.key = `${prefix}:${queueName}:wake`;
  }

  /** `count` jobs of this lane became pending; fire and forget. */
  push(lane: string, count = 1): void {
    this.#waiting.set(lane, (this.#waiting.get(lane) ?? 0) + count);
    if (!this.#timer) this.#send();
  }

  #send(): void {
    const tokens = [...this.#waiting].flatMap(([lane, count]) =>
      Array.from({ length: Math.min(count, MOST_AT_ONCE) }, () => lane),
    );
    this.#waiting.clear();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#waiting.size > 0) this.#send();
    }, COLLECT_MS).unref();
    if (this.#redis.status !== 'ready') return;
    this.#redis
      .pipeline()
      .rpush(this.key, ...tokens)
      .ltrim(this.key, -MOST_TOKENS, -1)
      .exec()
      .catch(() => undefined);
  }
}

/** Waits on the list, on a connection of its own, while the loader has room; hands every token to it. Stopped once, it stays so. */
export class WakeListener implements Service {
  readonly #loop: PollLoop;
  readonly #stopped: Promise<null>;
  #sayStopped!: (nothing: null) => void;
  #redis: Redis | null = null;

  constructor(options: {
    /** Opens the `blocking` connection. */
    open: () => Redis;
    key: string;
    /** Whether this process could load something now. */
    hasRoom: () => boolean;
    onToken: (lane: string) => void;
    onError: (error: unknown) => void;
  }) {
    this.#stopped = new Promise(resolve => {
      this.#sayStopped = resolve;
    });
    this.#loop = new PollLoop({
      errorDelayMs: 500,
      onError: options.onError,
      tick: async () => {
        if (!options.hasRoom()) return 50;
        this.#redis ??= options.open();
        if (this.#redis.status !== 'ready') return 100;
        // A pop that was sent before Redis went away is not always rejected when its connection ends.
        const popped = await Promise.race([this.#redis.blpop(options.key, BLOCK_S), this.#stopped]);
        if (popped) options.onToken(popped[1]);
        return 0;
      },
    });
  }

  start(): Promise<void> {
    return this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#sayStopped(null);
    await this.#loop.stop();
    this.#redis?.disconnect();
    this.#redis = null;
  }
}
