export interface WindowFacts {
  /** Jobs of the lane that wait in the engine now, whoever loaded them. */
  waiting: number;
  freeSlots: number;
  /** Starts a second of this process, moving average. */
  startsPerSecond: number;
  batchSize: number;
}

/** How much work the engine should hold for this process: its free slots and about one second of what it gets through. */
export function windowSize(facts: Pick<WindowFacts, 'freeSlots' | 'startsPerSecond'>): number {
  return Math.max(1, Math.ceil(facts.freeSlots + facts.startsPerSecond));
}

/**
 * How many jobs to claim now; 0 = enough is waiting. The window is topped up when it is half empty, so that a claim is a
 * batch and not a job, and at once when a free slot would find nothing.
 */
export function batchSize(facts: WindowFacts): number {
  const window = windowSize(facts);
  const starving = facts.waiting < facts.freeSlots;
  if (!starving && facts.waiting > window / 2) return 0;
  return Math.max(0, Math.min(window - facts.waiting, facts.batchSize));
}

/** Starts a second, as an exponential moving average over about two seconds. */
export class StartRate {
  #rate: number;
  #count = 0;
  #since: number;

  /** Before anything was measured, `assumed` starts a second. */
  constructor(assumed: number, now: number = performance.now()) {
    this.#rate = assumed;
    this.#since = now;
  }

  add(): void {
    this.#count += 1;
  }

  perSecond(now: number = performance.now()): number {
    const elapsed = now - this.#since;
    if (elapsed < 250) return this.#rate;
    const weight = 1 - Math.exp(-elapsed / 2_000);
    // Without starts there is nothing to measure: an idle process keeps its last rate, a busy one follows what it does.
    if (this.#count > 0) this.#rate += weight * ((this.#count * 1_000) / elapsed - this.#rate);
    this.#count = 0;
    this.#since = now;
    return this.#rate;
  }
}
