import type { mongo } from 'mongoose';
import type { JobDocument, JobError, JobStatus, RunRef } from './job-document.ts';
import type { RunNotes } from './run-notes.ts';
import { type StatusChange, statusChange } from './status-change.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';
import type { TransitionId } from './transitions.ts';

/** How a run ended, decided once. Everything that the handler does later is dropped. */
export type Outcome =
  | { kind: 'completed'; result: unknown; late?: boolean }
  | { kind: 'retry'; error: JobError; delayMs: number }
  | { kind: 'failed'; error: JobError }
  | { kind: 'cancelled'; error?: JobError }
  | { kind: 'handed-back'; delayMs: number }
  | { kind: 'child-died'; error: JobError; poisoned: boolean; delayMs: number };

/** A run and how it ended. */
export interface RunEnd {
  run: RunRef & { tenant: string; runSeq: number };
  outcome: Outcome;
  /** What the handler reported last and the heartbeat has not carried yet. */
  notes?: RunNotes | undefined;
}

/** `recorded` = the ledger holds the outcome (`status` is where it led); `lost` = the run was no longer ours, nothing was written. */
export type Recorded = { status: 'recorded'; as: JobStatus; via: TransitionId } | { status: 'lost' };

/** The part of a job that a run's outcome is written with. */
export function runOf(
  job: { _id: mongo.ObjectId; tenant: string; runSeq?: number },
  runKey: RunRef['runKey'],
): RunEnd['run'] {
  return { id: job._id, runKey, tenant: job.tenant, runSeq: job.runSeq ?? 1 };
}

interface OutcomeWrite {
  via: TransitionId;
  to: JobStatus;
  filter: mongo.Filter<JobDocument>;
  update: mongo.UpdateFilter<JobDocument>;
}

const NOT_CANCELLED = { cancelRequestedAt: { $exists: false } };
const CANCELLED = { cancelRequestedAt: { $exists: true } };

/** One row of what an outcome does to its job. */
interface OutcomeChange extends Omit<StatusChange, 'from'> {
  from?: JobStatus;
  condition: mongo.Filter<JobDocument>;
}

/** The conditional write of an outcome: T5, T5s, T6, T7, T8, T9 or T10, fenced by the run key. */
export function outcomeWrite(context: StoreContext, { run, outcome, notes }: RunEnd): OutcomeWrite {
  const { condition, from = 'processing', ...change } = changeOf(outcome, context);
  return {
    via: change.via,
    to: change.to,
    filter: { _id: run.id, status: from, runKey: run.runKey, ...condition },
    update: statusChange(context, { ...change, from, runKey: run.runKey, runSeq: run.runSeq, notes }),
  };
}

function changeOf(outcome: Outcome, context: StoreContext): OutcomeChange {
  switch (outcome.kind) {
    case 'completed': {
      const set = outcome.result === undefined ? {} : { result: outcome.result };
      const completed = { to: 'completed', set, end: true, condition: {} } as const;
      return outcome.late ? { via: 'T5s', from: 'pending', ...completed } : { via: 'T5', ...completed };
    }
    case 'retry':
      // Without the run key no late success can follow a recorded failure.
      return { via: 'T6', ...backToPending(outcome, context), inc: { failures: 1 }, reason: outcome.error.name };
    case 'failed':
      return { via: 'T7', ...failed(outcome.error), inc: { failures: 1 } };
    case 'cancelled':
      return { via: 'T8', to: 'cancelled', condition: CANCELLED, error: outcome.error, end: true };
    case 'handed-back':
      // One that may run at once keeps its runAt, and so its place before all that became due later.
      return { via: 'T9', ...backToPending(outcome, context), ...(outcome.delayMs === 0 && { set: {} }) };
    case 'child-died':
      return outcome.poisoned
        ? { via: 'T10', ...failed(outcome.error), inc: { crashes: 1 } }
        : { via: 'T10', ...backToPending(outcome, context), inc: { crashes: 1 }, reason: 'crash' };
  }
}

function failed(error: JobError): Omit<OutcomeChange, 'via'> {
  return { to: 'failed', condition: NOT_CANCELLED, error, end: true, reason: error.name };
}

function backToPending(
  outcome: { delayMs: number; error?: JobError },
  { clock }: StoreContext,
): Omit<OutcomeChange, 'via'> {
  return {
    to: 'pending',
    condition: NOT_CANCELLED,
    set: { runAt: new Date(clock.now().getTime() + outcome.delayMs) },
    error: outcome.error,
    dropLease: true,
    unset: ['runKey'],
  };
}

/**
 * Writes the outcomes of a group with one unordered write, journaled by a majority.
 * Answers how many found their run; fewer than sent means that each has to be looked at (`findRuns`).
 * @throws when MongoDB failed or refused one of them; some may have been written.
 */
export async function writeOutcomes(
  context: StoreContext,
  writes: readonly OutcomeWrite[],
  urgent: boolean,
): Promise<number> {
  const operations = writes.map(({ filter, update }) => ({ updateOne: { filter, update } }));
  const result = await context.bounded(
    context.jobs.bulkWrite(operations, {
      ordered: false,
      writeConcern: urgent ? WRITE_CONCERNS.one! : WRITE_CONCERNS['majority-journaled']!,
    }),
    'recording outcomes',
  );
  return result.matchedCount;
}

export type FoundRun = Pick<JobDocument, '_id' | 'status' | 'runKey' | 'cancelRequestedAt' | 'history'>;

/** What the ledger says of these runs' jobs now, on the primary; a deleted job is missing. */
export async function findRuns(context: StoreContext, ids: readonly mongo.ObjectId[]): Promise<Map<string, FoundRun>> {
  const projection = { status: 1, runKey: 1, cancelRequestedAt: 1, history: 1 };
  const found = await context.bounded(
    context.jobs.find({ _id: { $in: [...ids] } }, { projection, readPreference: 'primary' }).toArray(),
    'reading outcomes',
  );
  return new Map(found.map(job => [job._id.toHexString(), job]));
}

/** What follows when a write did not find its run. */
export type Settlement = Recorded | { status: 'again'; outcome: Outcome };

/**
 * Decides from the document, after a write that did not match: written already (a lost reply), lost, or another write.
 * Pure: the caller writes.
 */
export function settle(processId: string, { run, outcome }: RunEnd, job: FoundRun | undefined): Settlement {
  if (!job) return { status: 'lost' };
  const ours = job.runKey?.equals(run.runKey) ?? false;
  if (ours && job.status === 'processing') {
    const cancelRequested = job.cancelRequestedAt !== undefined;
    if (outcome.kind === 'completed')
      return { status: 'again', outcome: { kind: 'completed', result: outcome.result } };
    if (cancelRequested) return { status: 'again', outcome: { kind: 'cancelled', ...errorOf(outcome) } };
    // A stale cancel signal must not cost a retry: the job goes back uncounted.
    if (outcome.kind === 'cancelled') return { status: 'again', outcome: { kind: 'handed-back', delayMs: 0 } };
    return { status: 'again', outcome };
  }
  const last = job.history?.findLast(entry => entry.runKey?.equals(run.runKey) && entry.to !== 'processing');
  if (last && last.by === processId && OUTCOME_TRANSITIONS.has(last.via)) {
    return { status: 'recorded', as: last.to, via: last.via as TransitionId };
  }
  if (ours && job.status === 'pending' && outcome.kind === 'completed') {
    return { status: 'again', outcome: { ...outcome, late: true } };
  }
  return { status: 'lost' };
}

const OUTCOME_TRANSITIONS: ReadonlySet<string> = new Set(['T5', 'T5s', 'T6', 'T7', 'T8', 'T9', 'T10']);

function errorOf(outcome: Outcome): { error?: JobError } {
  return 'error' in outcome && outcome.error ? { error: outcome.error } : {};
}
