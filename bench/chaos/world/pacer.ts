import { monotonicMs } from '../monotonic.ts';

const WINDOW_MS = 5_000;

/**
 * Keeps the backlog at about so many seconds of what the workers get through, so that posts, faults and runs meet each other
 * all the time, and a job that was taken back soon runs again.
 */
export class Pacer {
  readonly #backlogSeconds: number;
  readonly #least: number;
  readonly #most: number;
  readonly #samples: { at: number; done: number }[] = [];
  #openAtProbe = 0;
  #acceptedAtProbe = 0;

  constructor(options: { backlogSeconds: number; least: number; most: number }) {
    this.#backlogSeconds = options.backlogSeconds;
    this.#least = options.least;
    this.#most = options.most;
  }

  /** What was counted a moment ago. */
  observe(open: number, accepted: number): void {
    this.#openAtProbe = open;
    this.#acceptedAtProbe = accepted;
    const now = monotonicMs();
    this.#samples.push({ at: now, done: accepted - open });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > WINDOW_MS) this.#samples.shift();
  }

  /** Jobs a second that reached their end lately. */
  get perSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at === first.at) return 0;
    return Math.max(0, ((last.done - first.done) * 1_000) / (last.at - first.at));
  }

  /** How many jobs may be posted now. */
  room(accepted: number): number {
    const open = this.#openAtProbe + accepted - this.#acceptedAtProbe;
    const wanted = Math.min(Math.max(this.perSecond * this.#backlogSeconds, this.#least), this.#most);
    return Math.floor(wanted - open);
  }
}

/** So many seconds of the rate are made up for after the load was held up. */
const CATCH_UP_SECONDS = 1;

/** Posts so many jobs a second, whatever becomes of them: what was held up for long is left out, not made up for. */
export class SteadyPace {
  readonly #perSecond: number;
  #allowance = 0;
  #askedAt: number | null = null;
  #posted = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  room(posted: number): number {
    const now = monotonicMs();
    const seconds = this.#askedAt === null ? 0 : (now - this.#askedAt) / 1_000;
    this.#askedAt = now;
    const most = this.#perSecond * CATCH_UP_SECONDS;
    this.#allowance = Math.min(most, this.#allowance + seconds * this.#perSecond - (posted - this.#posted));
    this.#posted = posted;
    return Math.floor(this.#allowance);
  }
}
