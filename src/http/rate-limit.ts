import { ProblemError } from './problem.ts';

interface Bucket {
  tokens: number;
  filledAt: number;
}

const MOST_BUCKETS = 10_000;

/** Token buckets, one a name, in this process alone: no request waits for Redis. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** `perSecond` 0 is off; a bucket holds twice a second's tokens. `now` in milliseconds. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = perSecond * 2;
    this.#now = now;
  }

  /** Takes a token. @throws ProblemError `rate-limited` with Retry-After (seconds) when there is none. */
  take(name: string): void {
    if (this.#perSecond === 0) return;
    const now = this.#now();
    const bucket = this.#buckets.get(name) ?? this.#newBucket(name, now);
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.filledAt) / 1_000) * this.#perSecond);
    bucket.filledAt = now;
    if (bucket.tokens < 1) {
      const seconds = Math.max(1, Math.ceil((1 - bucket.tokens) / this.#perSecond));
      throw new ProblemError('rate-limited', `at most ${this.#perSecond} requests a second: slow down`, {
        headers: { 'retry-after': String(seconds) },
      });
    }
    bucket.tokens -= 1;
  }

  #newBucket(name: string, now: number): Bucket {
    const oldest = this.#buckets.keys().next().value;
    if (this.#buckets.size >= MOST_BUCKETS && oldest !== undefined) this.#buckets.delete(oldest);
    const bucket = { tokens: this.#burst, filledAt: now };
    this.#buckets.set(name, bucket);
    return bucket;
  }
}
