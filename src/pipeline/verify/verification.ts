import type { mongo } from 'mongoose';
import { readAgain, readJobs } from '../store/ledger-reads.ts';
import { type CheckSetting, confirmMs, factsOf, type Step } from './check-setting.ts';
import { WALK_RULES } from './rules.ts';
import { type EngineReport, StuckLook } from './stuck-look.ts';
import { confirm, type Suspect, suspectOf } from './suspects.ts';

export interface VerificationOptions extends CheckSetting {
  /** Jobs a page. */
  pageJobs: number;
  /** The walk goes from the newest job, or from below this one, to the oldest, or to `from`; at most `most` jobs. */
  range: { below: mongo.ObjectId | null; from: mongo.ObjectId | null; most: number };
}

/** A walk that takes hours looks for what is stuck so often. */
const STUCK_EVERY_MS = 600_000;
/** So many suspects are looked at a second time together, or what there is at the end. */
const SUSPECTS_TOGETHER = 500;

/**
 * One check of the ledger against itself and against the engine. It reads, and writes nothing. States move while it reads:
 * nothing counts that was not found twice, a pause apart. The walk goes from the newest job to the oldest, so that it ends
 * however fast new ones come.
 */
export class Verification {
  readonly #options: VerificationOptions;
  readonly #stuck: StuckLook;
  #suspects: Suspect[] = [];
  #below: mongo.ObjectId | null;
  #seen = 0;
  #settled: { jobs: number; below: mongo.ObjectId | null };

  constructor(options: VerificationOptions) {
    this.#options = options;
    this.#stuck = new StuckLook(options);
    this.#below = options.range.below;
    this.#settled = { jobs: 0, below: this.#below };
  }

  get engine(): EngineReport {
    return this.#stuck.engine;
  }

  /** Jobs of the walk so far that need no second look any more, and the last of them. */
  get progress(): { jobs: number; below: mongo.ObjectId | null } {
    return this.#settled;
  }

  /**
   * The check, step by step; it never waits itself.
   * @throws StorageUnavailableError or the driver's error; another check may go on from `progress`.
   */
  async *steps(): AsyncGenerator<Step, void> {
    yield* this.#stuck.steps();
    let lookedAt = performance.now();
    for (let isLast = false; !isLast; ) {
      isLast = await this.#readPage();
      if (isLast || this.#suspects.length >= SUSPECTS_TOGETHER) yield* this.#lookAgain();
      if (this.#suspects.length === 0) this.#settled = { jobs: this.#seen, below: this.#below };
      if (isLast) return;
      yield { waitMs: 0 };
      if (performance.now() - lookedAt < STUCK_EVERY_MS) continue;
      lookedAt = performance.now();
      yield* this.#stuck.steps();
    }
  }

  /** One page of the walk. Answers whether it was the last one. */
  async #readPage(): Promise<boolean> {
    const { context, pageJobs, range } = this.#options;
    const limit = Math.min(pageJobs, range.most - this.#seen);
    const page = await readJobs(context, { below: this.#below, from: range.from }, limit);
    const facts = factsOf(this.#options);
    for (const job of page) {
      const suspect = suspectOf(WALK_RULES, job, facts);
      if (suspect) this.#suspects.push(suspect);
    }
    this.#seen += page.length;
    this.#below = page.at(-1)?._id ?? this.#below;
    return page.length < limit || this.#seen >= range.most;
  }

  async *#lookAgain(): AsyncGenerator<Step, void> {
    if (this.#suspects.length === 0) return;
    yield { waitMs: confirmMs(this.#options) };
    const { context, findings } = this.#options;
    const suspects = new Map(this.#suspects.map(suspect => [suspect.job._id.toHexString(), suspect]));
    // A job that was deleted meanwhile is no finding.
    for (const job of await readAgain(
      context,
      [...suspects.values()].map(suspect => suspect.job._id),
    )) {
      findings.addOfJob(job, confirm(suspects.get(job._id.toHexString())!, job, factsOf(this.#options)));
    }
    this.#suspects = [];
  }
}
