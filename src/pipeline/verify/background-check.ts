import { withDeadline } from '../../platform/deadline.ts';
import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';
import type { JobEvents } from '../record/job-events.ts';
import { type CheckRecord, type CheckRound, readCheckRecord, saveCheckRound } from '../store/check-record.ts';
import { LeaderLease } from '../store/leader-lease.ts';
import type { CheckSetting, Step } from './check-setting.ts';
import { type Finding, Findings } from './findings.ts';
import { Verification } from './verification.ts';

export interface BackgroundCheckOptions extends Omit<CheckSetting, 'findings'> {
  events: JobEvents;
  /** Pause between two pages; 0: this process takes no part. */
  intervalMs: number;
  /** Rest between the end of a round and the next one. */
  roundMs: number;
  pageJobs?: number;
}

const PAGE_JOBS = 1_000;
const LEASE_MS = 900_000;
/** The lease is renewed, and the place of the walk saved, so often. */
const SAVE_EVERY_MS = 300_000;
/** Who is not elected looks again so often while a round is under way. */
const LOOK_EVERY_MS = 300_000;
/** A process that has just started has better things to do. */
const START_AFTER_MS = 60_000;
const LEAVE_MS = 1_000;
/** So many lines a rule and round reach the log. */
const LINES_A_RULE = 10;

interface Round {
  /** As it was begun, or found. */
  begun: CheckRound;
  findings: Findings;
  verification: Verification;
  steps: AsyncGenerator<Step, void>;
}

/**
 * The same check as `ledgermq verify`, slowly and for ever: one page, a pause, the next page; one process of the fleet at a
 * time. What it finds is an event of this process and a number in the ledger's collection `checks`; it repairs nothing.
 */
export class BackgroundCheck implements Service {
  readonly #options: BackgroundCheckOptions;
  readonly #loop: PollLoop;
  readonly #lease: LeaderLease;
  #hasWaited = false;
  #round: Round | null = null;
  #savedAt = 0;
  #savedDrift = 0;

  constructor(options: BackgroundCheckOptions) {
    this.#options = options;
    this.#lease = new LeaderLease(options.context, 'verify', LEASE_MS);
    this.#loop = new PollLoop({
      tick: () => this.#tick(),
      onError: error => {
        // The record says where to go on.
        this.#round = null;
        options.events.emit('fault', { component: 'verify', error });
      },
      errorDelayMs: Math.max(options.intervalMs, 1_000),
    });
  }

  async start(): Promise<void> {
    if (this.#options.intervalMs > 0) await this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    if (!this.#round) return;
    // Another process may go on at once, and where this one was.
    const left = this.#save(this.#round).then(() => this.#lease.release());
    await withDeadline(left, LEAVE_MS, 'leaving the check').catch(() => undefined);
    this.#round = null;
  }

  async #tick(): Promise<number> {
    const { intervalMs, roundMs } = this.#options;
    if (!this.#hasWaited) {
      this.#hasWaited = true;
      // Processes that start together need not look together.
      return Math.min(roundMs, START_AFTER_MS) * (0.5 + Math.random() / 2);
    }
    if (!this.#round) {
      const begun = await this.#begin();
      if (typeof begun === 'number') return begun;
      this.#round = begun;
    }
    const round = this.#round;
    const step = await round.steps.next();
    if (step.done) {
      await this.#save(round, this.#options.context.clock.now());
      this.#round = null;
      await this.#lease.release();
      return roundMs;
    }
    if (!(await this.#keep(round))) {
      this.#round = null;
      return LOOK_EVERY_MS;
    }
    return Math.max(step.value.waitMs, intervalMs);
  }

  /** A new round, or the one that another process left; else how long to wait: none is due, or another process is elected. */
  async #begin(): Promise<Round | number> {
    const restMs = this.#restMs(await readCheckRecord(this.#options.context));
    if (restMs > 0) return restMs;
    if (!(await this.#lease.hold())) return LOOK_EVERY_MS;
    // Read again: another process may have ended its round between the first look and the election.
    const record = await readCheckRecord(this.#options.context);
    const stillMs = this.#restMs(record);
    if (stillMs <= 0) return this.#open(record?.round ?? null);
    await this.#lease.release();
    return stillMs;
  }

  /** Until the next round is due; one under way is always due, if nobody is elected. */
  #restMs(record: CheckRecord | null): number {
    const endedAt = record?.last?.finishedAt;
    if (record?.round || !endedAt) return 0;
    const { context, roundMs } = this.#options;
    return endedAt.getTime() + roundMs - context.clock.now().getTime();
  }

  #open(left: CheckRound | null): Round {
    const { context, pageJobs = PAGE_JOBS } = this.#options;
    this.#savedAt = performance.now();
    const begun: CheckRound = left ?? {
      startedAt: context.clock.now(),
      finishedAt: null,
      below: null,
      jobs: 0,
      found: {},
      leftovers: null,
    };
    const findings = new Findings(this.#teller());
    findings.adopt(begun.found);
    this.#savedDrift = findings.total;
    const range = { below: begun.below, from: null, most: Number.POSITIVE_INFINITY };
    const verification = new Verification({ ...this.#options, findings, pageJobs, range });
    return { begun, findings, verification, steps: verification.steps() };
  }

  /** Renews the lease now and then, and says what was found. False when another process has the lease. */
  async #keep(round: Round): Promise<boolean> {
    const isTime = performance.now() - this.#savedAt >= SAVE_EVERY_MS;
    if (!isTime && round.findings.total === this.#savedDrift) return true;
    if (!(await this.#lease.hold())) return false;
    await this.#save(round);
    this.#savedAt = performance.now();
    this.#savedDrift = round.findings.total;
    return true;
  }

  async #save({ begun, findings, verification }: Round, finishedAt: Date | null = null): Promise<void> {
    const { engine, progress } = verification;
    await saveCheckRound(this.#options.context, {
      startedAt: begun.startedAt,
      finishedAt,
      below: progress.below,
      jobs: begun.jobs + progress.jobs,
      found: findings.counts(),
      leftovers: engine.checked ? engine.lanes.reduce((sum, lane) => sum + lane.leftovers, 0) : null,
    });
  }

  /** The first few findings of each rule go to the log, once a round. */
  #teller(): (finding: Finding) => void {
    const told = new Map<string, number>();
    return finding => {
      const count = (told.get(finding.rule) ?? 0) + 1;
      told.set(finding.rule, count);
      if (count <= LINES_A_RULE) this.#options.events.emit('drift', finding);
    };
  }
}
