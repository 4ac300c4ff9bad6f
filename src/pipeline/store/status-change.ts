import type { mongo } from 'mongoose';
import type { HistoryEntry, JobDocument, JobError, JobStatus } from './job-document.ts';
import { addNotes, type RunNotes } from './run-notes.ts';
import type { StoreContext } from './store-context.ts';
import type { TransitionId } from './transitions.ts';

export const HISTORY_KEPT = 50;
const ERRORS_KEPT = 10;

/** Fields of a lease: who holds a claimed or running job, and since when. */
export const LEASE_FIELDS = ['token', 'owner', 'beatAt', 'leaseMs', 'suspectAt', 'isolatedAt'] as const;
type Field = keyof JobDocument;

export interface StatusChange {
  via: TransitionId;
  from: JobStatus;
  to: JobStatus;
  runKey?: mongo.ObjectId | undefined;
  /** Only where the write concerns one job. */
  runSeq?: number | undefined;
  reason?: string | undefined;
  set?: Partial<JobDocument>;
  inc?: Partial<Record<Field, number>>;
  /** Fields that take MongoDB's own time. */
  currentDate?: readonly Field[];
  unset?: readonly Field[];
  error?: JobError | undefined;
  notes?: RunNotes | undefined;
  /** Removes the lease fields. */
  dropLease?: boolean;
  /** Terminal: finishedAt, expireAt; removes lease and startBy. The run key stays. */
  end?: boolean;
}

/**
 * The update document of one transition. History is written with the change itself; only classic operators are used,
 * because in an update pipeline a user's string "$token" would be read as a field path.
 */
export function statusChange(context: StoreContext, change: StatusChange): mongo.UpdateFilter<JobDocument> {
  const now = context.clock.now();
  const entry: HistoryEntry = { at: now, from: change.from, to: change.to, by: context.processId, via: change.via };
  if (change.runKey) entry.runKey = change.runKey;
  if (change.runSeq !== undefined) entry.runSeq = change.runSeq;
  if (change.reason) entry.reason = change.reason;

  const set: Record<string, unknown> = { status: change.to, ...change.set };
  const unset = new Set<string>(change.unset);
  const currentDate = new Set<string>(change.currentDate);
  if (change.dropLease || change.end) for (const field of LEASE_FIELDS) unset.add(field);
  if (change.end) {
    unset.add('startBy');
    currentDate.add('finishedAt');
    const { completedMs, failedMs } = context.retention;
    set.expireAt = new Date(now.getTime() + (change.to === 'failed' ? failedMs : completedMs));
  }
  const push: Record<string, unknown> = { history: { $each: [entry], $slice: -HISTORY_KEPT } };
  if (change.notes) addNotes(change.notes, set, push);
  if (change.error) push.errors = { $each: [change.error], $slice: -ERRORS_KEPT };
  return {
    $set: set,
    $inc: { historySeq: 1, ...change.inc },
    $push: push,
    ...(unset.size > 0 ? { $unset: Object.fromEntries([...unset].map(field => [field, ''])) } : {}),
    ...(currentDate.size > 0 ? { $currentDate: Object.fromEntries([...currentDate].map(field => [field, true])) } : {}),
  } as mongo.UpdateFilter<JobDocument>;
}
