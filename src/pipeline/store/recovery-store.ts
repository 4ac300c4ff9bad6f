import type { mongo } from 'mongoose';
import { backoffMs } from '../../platform/backoff.ts';
import type { JobDocument, JobError, JobStatus } from './job-document.ts';
import { type StatusChange, statusChange } from './status-change.ts';
import { isDocumentFault } from './storage-call.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

/** A claimed or running job whose beat is older than its lease. */
export type ExpiredLease = Pick<
  JobDocument,
  | '_id'
  | 'tenant'
  | 'type'
  | 'queue'
  | 'status'
  | 'token'
  | 'runKey'
  | 'owner'
  | 'suspectAt'
  | 'isolatedAt'
  | 'retry'
  | 'failures'
  | 'crashes'
  | 'isolatedRescues'
  | 'queuedRefreshes'
  | 'runSeq'
> & { beatAt: Date };

const SWEEP_LIMIT = 1_000;
const ISOLATED_RESCUES_LIMIT = 10;
/** From this many crashes on a job runs in a child of its own. */
export const ISOLATE_AFTER_CRASHES = 2;
const MOST_QUEUED_REFRESHES = 3;

const PROJECTION = {
  tenant: 1,
  type: 1,
  queue: 1,
  status: 1,
  token: 1,
  runKey: 1,
  owner: 1,
  beatAt: 1,
  leaseMs: 1,
  suspectAt: 1,
  isolatedAt: 1,
  retry: 1,
  failures: 1,
  crashes: 1,
  isolatedRescues: 1,
  queuedRefreshes: 1,
  runSeq: 1,
};

/** What one look at the leases finds. */
export interface LeaseLook {
  /** Oldest first, at most 1,000. */
  expired: ExpiredLease[];
  /** Milliseconds until the next lease of a run ends, should no beat renew it; Infinity when none ends within the time asked for. */
  nextEndMs: number;
}

/** One find over the leases of claims and runs; each document's own `leaseMs` decides. */
export async function lookAtLeases(context: StoreContext, withinMs: number): Promise<LeaseLook> {
  const now = context.clock.now().getTime();
  const shortest = Math.min(context.lease.leaseMs, context.lease.queuedLeaseMs);
  const found = await context.bounded(
    context.jobs
      .find(
        { status: { $in: ['queued', 'processing'] }, beatAt: { $lt: new Date(now - shortest + withinMs) } },
        { projection: PROJECTION, sort: { beatAt: 1 }, limit: SWEEP_LIMIT, hint: 'lease' },
      )
      .toArray(),
    'sweep',
  );
  const look: LeaseLook = { expired: [], nextEndMs: Number.POSITIVE_INFINITY };
  for (const job of found) {
    if (!(job.beatAt instanceof Date)) continue;
    const leftMs = job.beatAt.getTime() + (job.leaseMs ?? shortest) - now;
    if (leftMs < 0) look.expired.push({ ...job, beatAt: job.beatAt });
    else if (job.status === 'processing' && leftMs < withinMs) look.nextEndMs = Math.min(look.nextEndMs, leftMs);
  }
  return look;
}

/** A write of S1. */
export type QueuedUpdate = mongo.AnyBulkWriteOperation<JobDocument>;

function exactQueued(job: ExpiredLease): mongo.Filter<JobDocument> {
  return { _id: job._id, status: 'queued', token: job.token!, beatAt: job.beatAt };
}

/** S1: the engine does not have the job: back to pending. */
export function releaseQueued(context: StoreContext, job: ExpiredLease): QueuedUpdate {
  const update = statusChange(context, {
    via: 'S1',
    from: 'queued',
    to: 'pending',
    runSeq: job.runSeq,
    reason: 'not in the engine',
    dropLease: true,
  });
  return { updateOne: { filter: exactQueued(job), update } };
}

/** S1: the engine still has it: its lease is renewed; one that hangs before its gate (active) at most three times, then null. */
export function refreshQueued(job: ExpiredLease, place: 'waiting' | 'active'): QueuedUpdate | null {
  if (place === 'active' && (job.queuedRefreshes ?? 0) >= MOST_QUEUED_REFRESHES) return null;
  const update: mongo.UpdateFilter<JobDocument> = { $currentDate: { beatAt: true } };
  if (place === 'active') update.$inc = { queuedRefreshes: 1 };
  return { updateOne: { filter: exactQueued(job), update } };
}

/** Writes the S1 updates of one sweep; each is fenced by what was read. Answers how many matched. */
export async function writeQueued(context: StoreContext, updates: QueuedUpdate[]): Promise<number> {
  const result = await context.bounded(
    context.jobs.bulkWrite(updates, { ordered: false, writeConcern: WRITE_CONCERNS.one! }),
    'sweep of queued jobs',
  );
  return result.matchedCount;
}

/** S2, step A: marks a run as suspect. False when it moved meanwhile. */
export async function markSuspect(context: StoreContext, job: ExpiredLease): Promise<boolean> {
  const result = await context.bounded(
    context.jobs.updateOne(
      { _id: job._id, status: 'processing', runKey: job.runKey!, beatAt: job.beatAt, suspectAt: { $exists: false } },
      { $currentDate: { suspectAt: true } },
      { writeConcern: WRITE_CONCERNS.one! },
    ),
    'mark suspect',
  );
  return result.modifiedCount === 1;
}

/** Where a rescue led, or null when the run had moved. */
export type Rescue = { to: JobStatus; crashes: number } | null;

/**
 * S2, step B: takes a run back whose worker vanished. The exact match on run key, beat and suspicion makes it harmless
 * beside a worker that is only slow; a requested cancel comes first.
 */
export async function rescueRun(context: StoreContext, job: ExpiredLease): Promise<Rescue> {
  const seen = {
    _id: job._id,
    status: 'processing' as const,
    runKey: job.runKey!,
    beatAt: job.beatAt,
    suspectAt: job.suspectAt!,
  };
  const write = async (
    condition: mongo.Filter<JobDocument>,
    change: Omit<StatusChange, 'via' | 'from'>,
  ): Promise<boolean> => {
    const update = statusChange(context, {
      via: 'S2',
      from: 'processing',
      runKey: job.runKey,
      runSeq: job.runSeq,
      ...change,
    });
    const result = await context.bounded(
      context.jobs.updateOne({ ...seen, ...condition }, update, { writeConcern: WRITE_CONCERNS.majority! }),
      'rescue',
    );
    return result.modifiedCount === 1;
  };
  const cancelled: Omit<StatusChange, 'via' | 'from'> = { to: 'cancelled', end: true, reason: 'worker vanished' };
  const crashes = job.crashes ?? 0;
  if (await write({ cancelRequestedAt: { $exists: true } }, cancelled)) return { to: 'cancelled', crashes };
  const change = rescueChange(context, job);
  return (await write({ cancelRequestedAt: { $exists: false } }, change))
    ? { to: change.to, crashes: crashes + 1 }
    : null;
}

function rescueChange(context: StoreContext, job: ExpiredLease): Omit<StatusChange, 'via' | 'from'> {
  const now = context.clock.now();
  const counted = whatCounts(job);
  const rescues = (job.isolatedRescues ?? 0) + 1;
  if (counted === 'isolatedRescues' && rescues >= ISOLATED_RESCUES_LIMIT) {
    const message = `its worker vanished ${rescues} times while it ran in a child of its own`;
    const error: JobError = { name: 'poison', message, attempt: (job.failures ?? 0) + 1, retryable: false, at: now };
    return { to: 'failed', inc: { isolatedRescues: 1 }, error, end: true, reason: 'poison' };
  }
  const policy = job.retry ?? { strategy: 'exponential', delayMs: 1_000 };
  const crashes = job.crashes ?? 0;
  const isFirst = crashes === 0 || counted === null;
  const waitMs = isFirst ? 0 : backoffMs({ ...policy, jitter: policy.jitter || 0.3 }, crashes);
  return {
    to: 'pending',
    // Without a wait the job keeps its runAt, and so its place before all that became due later.
    set: waitMs === 0 ? {} : { runAt: new Date(now.getTime() + waitMs) },
    // The run key stays: a worker that was only slow may still record its success (T5s) or go on (T4s).
    inc: counted ? { [counted]: 1 } : {},
    dropLease: true,
    reason: 'worker vanished',
  };
}

/** What a rescue counts against the job: nothing when its child had not begun, because then it cannot be what ended the worker. */
function whatCounts(job: ExpiredLease): 'crashes' | 'isolatedRescues' | null {
  if ((job.crashes ?? 0) < ISOLATE_AFTER_CRASHES) return 'crashes';
  return job.isolatedAt ? 'isolatedRescues' : null;
}

/**
 * T11: jobs that did not start in time. Answers the tenants of those that failed now; a document that cannot take the write is
 * handed to `onRefused`, and the others go on.
 */
export async function expireUnstarted(
  context: StoreContext,
  onRefused: (id: mongo.ObjectId, error: unknown) => void,
): Promise<string[]> {
  const now = context.clock.now();
  const due = await context.bounded(
    context.jobs
      .find(
        { startBy: { $lte: now }, status: { $in: ['pending', 'queued'] } },
        { projection: { tenant: 1, status: 1, runSeq: 1, failures: 1 }, limit: SWEEP_LIMIT, hint: 'expiry' },
      )
      .toArray(),
    'expiry',
  );
  const tenants: string[] = [];
  for (const job of due) {
    const message = 'not started before startBy';
    const error: JobError = { name: 'expired', message, attempt: job.failures ?? 0, retryable: false, at: now };
    const update = statusChange(context, {
      via: 'T11',
      from: job.status,
      to: 'failed',
      runSeq: job.runSeq,
      error,
      end: true,
      reason: 'expired',
    });
    try {
      const result = await context.bounded(
        context.jobs.updateOne({ _id: job._id, status: job.status, startBy: { $lte: now } }, update, {
          writeConcern: WRITE_CONCERNS.majority!,
        }),
        'expiry',
      );
      if (result.modifiedCount === 1) tenants.push(job.tenant);
    } catch (refused) {
      if (!isDocumentFault(refused)) throw refused;
      onRefused(job._id, refused);
    }
  }
  return tenants;
}
