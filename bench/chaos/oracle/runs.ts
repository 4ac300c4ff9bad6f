import { isAlwaysOk } from '../job/job-plan.ts';
import {
  authorOf,
  type Casebook,
  type Evidence,
  endOfRun,
  type FaultRecord,
  hasWholeHistory,
  type Invariant,
  killOf,
  type LedgerJob,
  outcomeOf,
  type RunRecord,
  runsOf,
  type Span,
  type Violation,
} from './evidence.ts';
import { terminalEventsPerLife } from './history.ts';

/** Runs whose outcome the ledger never accepted: each of them made another one necessary, or came too late. */
export function extraRuns(casebook: Casebook): RunRecord[] {
  return casebook.runs.filter(run => {
    const job = casebook.jobsById.get(run.jobId);
    return job !== undefined && hasWholeHistory(job) && !outcomeOf(job, run.runKey);
  });
}

/** Runs of always-ok jobs less one a life: what a duplicate costs whoever has effects outside MongoDB. */
export function duplicates(casebook: Casebook): number {
  return casebook.jobs
    .filter(job => isAlwaysOkJob(casebook, job))
    .reduce((sum, job) => sum + Math.max(0, runsOf(casebook, job.id).length - livesWithRuns(casebook, job)), 0);
}

/** How many lives of the job had a run. Where the history was cut, all of them: at worst a duplicate too few is counted. */
function livesWithRuns(casebook: Casebook, job: LedgerJob): number {
  if (job.runSeq === 1 || !hasWholeHistory(job)) return job.runSeq;
  const begun = new Set(runsOf(casebook, job.id).map(run => run.runKey));
  const lives = new Set<number>();
  let life = 1;
  for (const { via, runKey } of job.history) {
    if (via === 'U3') life += 1;
    else if (via === 'T3' && runKey !== null && begun.has(runKey)) lives.add(life);
  }
  return lives.size;
}

function isAlwaysOkJob({ plans }: Evidence, job: LedgerJob): boolean {
  const plan = plans.get(job.key ?? '');
  return plan !== undefined && isAlwaysOk(plan);
}

/** Runs that their workers handed back at the drain deadline of a SIGTERM: each of them runs once more, and no retry is spent. */
export function handedBackByTerm(casebook: Casebook): RunRecord[] {
  return casebook.runs.filter(
    run =>
      outcomeOf(casebook.jobsById.get(run.jobId), run.runKey)?.via === 'T9' &&
      casebook.faults.some(fault => fault.kind === 'term' && fault.worker === run.worker),
  );
}

/** What faults may cost at most: a kill or stop every slot of its worker once, an outage beyond the lease those of all. */
export function extraRunsBound({ faults, concurrency, workers }: Evidence): number {
  const cost = (fault: FaultRecord) => {
    if (fault.kind === 'kill' || fault.kind === 'stop') return concurrency;
    if (fault.kind !== 'outage' || !fault.outlastsLease) return 0;
    return fault.worker === undefined ? concurrency * workers : concurrency;
  };
  return faults.reduce((sum, fault) => sum + cost(fault), 0);
}

export const extraRunsAreFew: Invariant = {
  id: 'I6',
  title:
    'extra runs ≤ (kills + stops) × concurrency, each after a kill or stop of its worker or an outage beyond the lease; no gate opens without a run',
  check(casebook) {
    const bound = extraRunsBound(casebook);
    const violations: Violation[] = [];
    const extra = extraRuns(casebook);
    if (extra.length > bound) violations.push({ text: `${extra.length} extra runs, at most ${bound} are explained` });
    const copies = duplicates(casebook);
    const explained = bound + handedBackByTerm(casebook).length;
    if (copies > explained)
      violations.push({ text: `${copies} duplicates of always-ok jobs, at most ${explained} are explained` });
    for (const run of extra) {
      if (!isExplained(casebook, run)) {
        const how = run.end ? `ended ${run.end.outcome}` : 'has no end';
        violations.push({
          jobId: run.jobId,
          text: `run ${run.runKey} on ${run.worker} ${how} unrecorded, and no fault explains it`,
        });
      }
    }
    return [...violations, ...emptyGates(casebook)];
  },
};

/** Gates that a worker opened and did not start a run behind: the job waits for a lease to run out, and a crash is counted. */
function emptyGates(casebook: Casebook): Violation[] {
  return casebook.jobs.filter(hasWholeHistory).flatMap(job => {
    const begun = new Set(runsOf(casebook, job.id).map(run => run.runKey));
    return job.history.flatMap(entry => {
      const { via, runKey, at } = entry;
      if (via !== 'T3' || runKey === null || begun.has(runKey) || outcomeOf(job, runKey)) return [];
      const worker = authorOf(casebook, entry)?.name ?? entry.by;
      if (isExplained(casebook, { worker, startedAt: at, end: null })) return [];
      return [{ jobId: job.id, text: `${worker} opened the gate for run ${runKey}, which never began` }];
    });
  });
}

/** A run that begins so soon after a stop may have passed its gate before it. */
const AFTER_STOP_MS = 1_000;
/** What a run came to is on its way to MongoDB for so long at most, when nothing stands in its way. */
const ON_ITS_WAY_MS = 1_000;

function isExplained(casebook: Evidence, run: Span): boolean {
  if (killOf(casebook, run) !== undefined) return true;
  return casebook.faults.some(fault => {
    if (fault.kind === 'stop') return fault.worker === run.worker && fault.until + AFTER_STOP_MS >= run.startedAt;
    if (fault.kind !== 'outage' || !fault.outlastsLease) return false;
    if (fault.worker !== undefined && fault.worker !== run.worker) return false;
    return fault.until + AFTER_STOP_MS >= run.startedAt && fault.at <= endOfRun(casebook, run) + ON_ITS_WAY_MS;
  });
}

export const runsDoNotOverlap: Invariant = {
  id: 'I7',
  title: 'runs overlap only after a lease expiry or an ignored timeout; one terminal event a life',
  check(casebook) {
    const violations: Violation[] = casebook.jobs.flatMap(terminalEventsPerLife);
    for (const [jobId, runs] of casebook.runsByJob) {
      for (const [index, later] of runs.entries()) {
        for (const earlier of runs.slice(0, index)) {
          const text = wrongPair(casebook, earlier, later);
          if (text) violations.push({ jobId, text });
        }
      }
    }
    return violations;
  },
};

function wrongPair(casebook: Casebook, earlier: RunRecord, later: RunRecord): string | null {
  if (earlier.runKey === later.runKey)
    return `run ${earlier.runKey} started twice (${earlier.worker}, ${later.worker})`;
  if (endOfRun(casebook, earlier) <= later.startedAt) return null;
  const job = casebook.jobsById.get(earlier.jobId);
  if (!job || !hasWholeHistory(job) || mayOverlap(job, earlier.runKey, later.runKey)) return null;
  const ms = Math.round(endOfRun(casebook, earlier) - later.startedAt);
  return `runs ${earlier.runKey} (${earlier.worker}) and ${later.runKey} (${later.worker}) overlap by ${ms} ms`;
}

/**
 * Before the second of them passed the gate, the ledger had given the first one up: its lease was over, its time was over,
 * or it was handed back and went on. The first at the gate need not be the first at work: its worker may have been stopped.
 */
function mayOverlap(job: LedgerJob, one: string, other: string): boolean {
  const gates = job.history.filter(entry => entry.via === 'T3' && (entry.runKey === one || entry.runKey === other));
  const [first, second] = gates;
  if (!first || !second) return false;
  return job.history.slice(0, job.history.indexOf(second)).some(entry => {
    if (entry.runKey !== first.runKey) return false;
    const timedOut = (entry.via === 'T6' || entry.via === 'T7') && entry.reason === 'timeout';
    return entry.via === 'S2' || timedOut || entry.via === 'T9';
  });
}
