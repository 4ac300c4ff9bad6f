/** So many batches side by side at most: a claim has to read past those that it passes over. */
const WIDEST = 12;
/** Below this share of what it asked for a claim has met a crowd. */
const GOOD_SHARE = 0.6;
const WIDER = 4;
const HALF_LIFE_MS = 1_000;

/**
 * Where the claims of one loader begin. All loaders read the same head of the lane, and of those that meet there one wins all:
 * eight of them won a quarter of what they asked for, and took longer than one. Who loses begins its next claims at a random
 * batch of a stretch that grows with every loss and shrinks by itself: some seconds after the last loss it is the head again.
 */
export class ClaimSpread {
  readonly #random: () => number;
  #width = 1;
  #since = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** How many batches the next claim passes over. */
  batchesToSkip(now: number = performance.now()): number {
    return Math.floor(this.#random() * this.#widthAt(now));
  }

  /** A claim of `asked` jobs won so many. */
  learn(asked: number, won: number, now: number = performance.now()): void {
    if (won >= asked * GOOD_SHARE) return;
    this.#width = Math.min(WIDEST, this.#widthAt(now) * WIDER);
    this.#since = now;
  }

  /** There is nothing further on. */
  reset(): void {
    this.#width = 1;
  }

  #widthAt(now: number): number {
    return 1 + (this.#width - 1) * 0.5 ** ((now - this.#since) / HALF_LIFE_MS);
  }
}
