import { actOf, isUnstorable } from '../job/chaos-payload.ts';
import { expectedStatus } from '../job/job-plan.ts';
import {
  type Casebook,
  hasWholeHistory,
  type Invariant,
  type LedgerJob,
  outcomeOf,
  type RunRecord,
  runsOf,
  type Violation,
} from './evidence.ts';

export const completedMeansDone: Invariant = {
  id: 'I3',
  title: 'each completed job has an `end ok` with the run key that completed it',
  check(casebook) {
    return casebook.jobs.filter(job => job.status === 'completed').flatMap(job => undone(casebook, job));
  },
};

function undone(casebook: Casebook, job: LedgerJob): Violation[] {
  const ends = runsOf(casebook, job.id).filter(run => run.end?.outcome === 'ok');
  if (!ends.some(run => run.runKey === job.runKey)) {
    return [{ jobId: job.id, text: `is completed by run ${job.runKey}, which has no end ok in the audit` }];
  }
  const completion = job.history.findLast(entry => entry.to === 'completed');
  if (completion?.runKey === job.runKey) return [];
  return [{ jobId: job.id, text: `belongs to run ${job.runKey} but run ${completion?.runKey} completed it` }];
}

export const failuresAreCounted: Invariant = {
  id: 'I4',
  title: 'failures in the ledger are the failures of handlers; a crash costs none',
  check(casebook) {
    return casebook.jobs.flatMap(job => [...wrongFailures(casebook, job), ...wrongEnd(casebook, job)]);
  },
};

/** Transitions that end a run without an outcome of the handler's own. */
const NO_HANDLER_OUTCOME: ReadonlySet<string> = new Set(['T8', 'T9', 'T10']);

function wrongFailures(casebook: Casebook, job: LedgerJob): Violation[] {
  const runs = runsOf(casebook, job.id);
  const violations: Violation[] = [];
  const say = (text: string) => violations.push({ jobId: job.id, text });
  if (job.failures > job.maxRetries + 1) say(`has ${job.failures} failures with ${job.maxRetries} retries`);
  // A redrive begins the count afresh; runs of earlier lives are then beyond the numbers at hand.
  if (job.runSeq > 1) return violations;
  const mayHaveFailed = runs.filter(run => !endedOkInTime(run, job) || isUnstorableRun(casebook, run)).length;
  if (job.failures > mayHaveFailed)
    say(`has ${job.failures} failures, but only ${mayHaveFailed} runs without an end ok`);
  const swept = job.history.some(entry => entry.via === 'S2') || !hasWholeHistory(job);
  if (swept) return violations;
  const failedForSure = runs.filter(run => {
    const via = outcomeOf(job, run.runKey)?.via ?? '';
    return run.end?.outcome !== 'ok' && !NO_HANDLER_OUTCOME.has(via);
  }).length;
  if (job.failures < failedForSure) say(`has ${job.failures} failures, but ${failedForSure} runs failed`);
  return violations;
}

/**
 * The time of a run counts in its worker: an answer that had to wait for a processor, or came from a child, may be in time
 * by the audit and late for the worker.
 */
const ANSWER_MS = 1_000;

function endedOkInTime(run: RunRecord, job: LedgerJob): boolean {
  const timedOut = outcomeOf(job, run.runKey)?.reason === 'timeout';
  const answerMs = timedOut ? ANSWER_MS : 0;
  return run.end?.outcome === 'ok' && run.end.at - run.startedAt + answerMs <= job.timeoutMs;
}

/** Succeeded as planned with what no ledger can hold: that is a failure all the same. */
function isUnstorableRun({ plans }: Casebook, run: RunRecord): boolean {
  const plan = plans.get(run.key);
  return plan !== undefined && isUnstorable(actOf(plan.payload, run.attempt));
}

function wrongEnd(casebook: Casebook, job: LedgerJob): Violation[] {
  const plan = casebook.plans.get(job.key ?? '');
  if (!plan || (job.status !== 'completed' && job.status !== 'failed')) return [];
  const expected = expectedStatus(plan);
  if (job.status === expected) return [];
  const last = job.history.at(-1);
  return [
    { jobId: job.id, text: `must end ${expected} by its plan and is ${job.status} (${last?.via} ${last?.reason})` },
  ];
}
