import { type JobRecord, readAgain, readLateLeases, readLateStarts } from '../store/ledger-reads.ts';
import { type CheckSetting, confirmMs, factsOf, type Step } from './check-setting.ts';
import { LANE_RULES, type LaneLook, type LaneRule } from './lane-rules.ts';
import { LATE_RULES } from './late-rules.ts';
import { askEngine, countLeftovers, EngineAwayError, lookAtLanes } from './look-at-lanes.ts';
import type { Facts } from './rule.ts';
import { confirm, suspectOf } from './suspects.ts';

/** What the engine was seen to hold, or why it could not be looked at. */
export type EngineReport = { checked: true; lanes: EngineLane[] } | { checked: false; reason: string };
type EngineLane = Pick<LaneLook, 'lane' | 'waiting' | 'active' | 'isPaused'> & { leftovers: number };

/** More late jobs than that are counted as that many. */
const MOST_LATE = 1_000;

/**
 * Looks for what sweepers and loaders should have moved, along the indexes that they use themselves: cheap, whatever the size
 * of the ledger. A Redis that cannot be asked leaves the engine unchecked, and nothing else.
 */
export class StuckLook {
  readonly #setting: CheckSetting;
  engine: EngineReport = { checked: false, reason: 'not looked at yet' };

  constructor(setting: CheckSetting) {
    this.#setting = setting;
  }

  /** One look and the second one; what an earlier call found is judged anew. @throws what reading the ledger throws. */
  async *steps(): AsyncGenerator<Step, void> {
    const { findings, context } = this.#setting;
    const lanes = (await this.#orUnchecked(() => this.#firstLook())) ?? [];
    const suspects = [];
    for (const job of await this.#lateJobs()) suspects.push(suspectOf(LATE_RULES, job, await this.#factsOf(job)));
    const late = suspects.filter(suspect => suspect !== null);
    const slow = lanes.filter(look => this.#broken(look).length > 0);
    if (late.length + slow.length > 0) yield { waitMs: confirmMs(this.#setting) };
    findings.forget([...LATE_RULES, ...LANE_RULES]);
    const ids = late.map(({ job }) => job._id);
    const now = new Map((await readAgain(context, ids)).map(job => [job._id.toHexString(), job]));
    for (const suspect of late) {
      const job = now.get(suspect.job._id.toHexString());
      if (job) findings.addOfJob(job, confirm(suspect, job, await this.#factsOf(job)));
    }
    await this.#orUnchecked(() => this.#secondLook(slow));
  }

  async #lateJobs(): Promise<Iterable<JobRecord>> {
    const { context } = this.#setting;
    const { lateMs } = factsOf(this.#setting);
    const leases = await readLateLeases(context, lateMs, MOST_LATE);
    const starts = await readLateStarts(context, lateMs, MOST_LATE);
    // A claimed job may be in both.
    return new Map([...leases, ...starts].map(job => [job._id.toHexString(), job])).values();
  }

  async #firstLook(): Promise<LaneLook[]> {
    const { context, engine, lanes } = this.#setting;
    const looks = await lookAtLanes(context, engine, lanes);
    const report: EngineLane[] = [];
    for (const { lane, waiting, active, isPaused } of looks) {
      report.push({ lane, waiting, active, isPaused, leftovers: await countLeftovers(context, engine, lane) });
    }
    this.engine = { checked: true, lanes: report };
    return looks;
  }

  async #secondLook(slow: readonly LaneLook[]): Promise<void> {
    const { context, engine, findings } = this.#setting;
    for (const before of slow) {
      const [look] = await lookAtLanes(context, engine, [before.lane]);
      // Another job is the first one now: something moved.
      if (!look || look.firstDue?.id !== before.firstDue?.id) continue;
      const brokenBefore = this.#broken(before).map(([rule]) => rule);
      for (const [rule, detail] of this.#broken(look)) {
        if (brokenBefore.includes(rule)) findings.add(rule, { jobId: null, lane: look.lane }, detail);
      }
    }
  }

  #broken(look: LaneLook): [LaneRule, string][] {
    const facts = factsOf(this.#setting);
    return LANE_RULES.flatMap((rule): [LaneRule, string][] => {
      const detail = rule.check(look, facts);
      return detail === null ? [] : [[rule, detail]];
    });
  }

  async #factsOf(job: JobRecord): Promise<Facts> {
    const { engine } = this.#setting;
    const { status, token, queue } = job;
    if (status !== 'queued' || !token || !queue) return factsOf(this.#setting);
    const place = await this.#orUnchecked(() => askEngine(engine, () => engine.placeOf(queue, { id: job._id, token })));
    return factsOf(this.#setting, place);
  }

  async #orUnchecked<T>(look: () => Promise<T>): Promise<T | null> {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof EngineAwayError)) throw error;
      this.engine = { checked: false, reason: error.message };
      return null;
    }
  }
}
