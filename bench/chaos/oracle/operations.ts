import { isTerminal } from '../../../src/pipeline/store/job-document.ts';
import {
  type Casebook,
  hasWholeHistory,
  type Invariant,
  type LedgerJob,
  type OperationRecord,
  type RunRecord,
  runsOf,
  type Violation,
} from './evidence.ts';

export const operationsHold: Invariant = {
  id: 'I11',
  title:
    'what an operation was answered holds: a cancelled job never starts again without a retry, a deleted one never',
  check(casebook) {
    const asked = [...casebook.operationsByJob].flatMap(([jobId, operations]) => [
      ...operations.flatMap(operation => wrongAnswer(casebook, operation)),
      ...startsAfterEnd(casebook, jobId, operations),
    ]);
    return [...asked, ...casebook.jobs.flatMap(job => [...wrongCounts(casebook, job), ...ignoredCancels(job)])];
  },
};

/** Whether somebody asked for its deletion and was not refused: then it may be missing. */
export function mayBeDeleted(casebook: Casebook, jobId: string): boolean {
  return operationsOn(casebook, jobId).some(operation => operation.kind === 'delete' && mayBeDone(operation));
}

function operationsOn({ operationsByJob }: Casebook, jobId: string): readonly OperationRecord[] {
  return operationsByJob.get(jobId) ?? [];
}

/** Answered with success, or not answered by anybody who knows. */
function mayBeDone({ status }: OperationRecord): boolean {
  return status === null || status < 400 || status >= 500;
}

function wrongAnswer({ jobsById }: Casebook, { kind, jobId, status, detail }: OperationRecord): Violation[] {
  const answer = `the ${kind} was answered ${status}`;
  if (status === 200 && kind === 'delete' && jobsById.has(jobId)) return [{ jobId, text: `${answer} and it is there` }];
  if (status === 404 && jobsById.has(jobId)) return [{ jobId, text: `${answer} and it is there` }];
  const isKnown =
    status === null || [200, 404, 409, 429, 503].includes(status) || (status === 202 && kind === 'cancel');
  return isKnown ? [] : [{ jobId, text: `${answer} ${detail ?? ''}` }];
}

/** Runs that began after a cancel or a delete was answered as done, with no retry in between. */
function startsAfterEnd(casebook: Casebook, jobId: string, operations: readonly OperationRecord[]): Violation[] {
  const retries = operations.filter(operation => operation.kind === 'retry' && mayBeDone(operation));
  const ends = operations.filter(({ kind, status }) => kind !== 'retry' && status === 200);
  return runsOf(casebook, jobId).flatMap(run => {
    const ended = ends.find(
      end =>
        end.at + end.ms < run.startedAt &&
        !retries.some(retry => retry.at < run.startedAt && retry.at + retry.ms > end.at),
    );
    if (!ended || beganLate(casebook, run)) return [];
    const ms = Math.round(run.startedAt - ended.at - ended.ms);
    return [{ jobId, text: `run ${run.runKey} on ${run.worker} began ${ms} ms after the ${ended.kind} was answered` }];
  });
}

const AFTER_FAULT_MS = 1_000;

/** Its worker was stopped between gate and handler, or killed under a child that began a moment later. */
function beganLate({ faults }: Casebook, { worker, startedAt }: RunRecord): boolean {
  return faults.some(fault => {
    if ((fault.kind !== 'stop' && fault.kind !== 'kill') || fault.worker !== worker) return false;
    const until = fault.kind === 'stop' ? fault.until : fault.at;
    return fault.at <= startedAt && startedAt <= until + AFTER_FAULT_MS;
  });
}

/** Every answered operation is in the history, and the history has none that nobody asked for. */
function wrongCounts(casebook: Casebook, job: LedgerJob): Violation[] {
  const operations = operationsOn(casebook, job.id);
  const violations: Violation[] = [];
  const compare = (what: string, found: number, answered: number, possible: number) => {
    if (found < answered) violations.push({ jobId: job.id, text: `has ${found} ${what}, ${answered} were answered` });
    if (found > possible)
      violations.push({ jobId: job.id, text: `has ${found} ${what}, at most ${possible} were asked` });
  };
  const of = (kind: OperationRecord['kind']) => operations.filter(operation => operation.kind === kind);
  const answered = (kind: OperationRecord['kind'], status: number) =>
    of(kind).filter(operation => operation.status === status).length;
  const unknown = (kind: OperationRecord['kind']) =>
    of(kind).filter(operation => mayBeDone(operation) && (operation.status ?? 500) >= 500).length;
  compare('redrives', job.runSeq - 1, answered('retry', 200), answered('retry', 200) + unknown('retry'));
  if (job.status === 'cancelled' && !of('cancel').some(mayBeDone))
    violations.push({ jobId: job.id, text: 'is cancelled and nobody asked for it' });
  if (!hasWholeHistory(job)) return violations;
  const inHistory = (via: string) => job.history.filter(entry => entry.via === via).length;
  for (const [what, via, status] of [
    ['cancels before the start', 'U1', 200],
    ['cancel requests', 'U2', 202],
  ] as const) {
    const done = answered('cancel', status);
    compare(what, inHistory(via), done, done + unknown('cancel'));
  }
  return violations;
}

/** After a requested cancel a life ends with this run: cancelled, or completed by a handler that made it all the same. */
function ignoredCancels(job: LedgerJob): Violation[] {
  const violations: Violation[] = [];
  let isRequested = false;
  for (const { via, from, to } of job.history) {
    if (isRequested && via !== 'U2' && via !== 'U3' && (!isTerminal(to) || to === 'failed'))
      violations.push({ jobId: job.id, text: `${via} ${from} → ${to} although a cancel had been requested` });
    if (via === 'U2') isRequested = true;
    if (via === 'U3') isRequested = false;
  }
  return violations;
}
