import { mongo } from 'mongoose';
import { isTerminal, type JobDocument, type JobStatus } from './job-document.ts';
import type { TenantView } from './job-queries.ts';
import { type StatusChange, statusChange } from './status-change.ts';
import { storageCall } from './storage-call.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

type OperationResult<Done extends string> =
  | { status: Done; job: JobDocument }
  | { status: 'not-found' }
  | { status: 'invalid-state'; currentStatus: JobStatus };

export type CancelResult = OperationResult<'cancelled' | 'requested'>;
export type RedriveResult = OperationResult<'redriven'>;
export type DeleteResult = OperationResult<'deleted'> | { status: 'delivery-due' };

/** How often an operation reads the job again after it lost a race. */
const ROUNDS = 3;

/** U1, then U2: cancels a job that has not started, or asks the run to stop. */
export function cancelJob(context: StoreContext, id: string, tenant: TenantView): Promise<CancelResult> {
  return storageCall(context, 'cancel', () =>
    inRounds(context, id, tenant, async job => {
      if (isTerminal(job.status)) return invalidState(job);
      for (const from of ['pending', 'queued'] as const) {
        const cancelled = await change(context, job, { via: 'U1', from, to: 'cancelled', end: true });
        if (cancelled) return { status: 'cancelled', job: cancelled };
      }
      const asked = await change(context, job, {
        via: 'U2',
        from: 'processing',
        to: 'processing',
        currentDate: ['cancelRequestedAt'],
      });
      return asked && { status: 'requested', job: asked };
    }),
  );
}

/** U3: gives a failed or cancelled job a new life, due now. */
export function redriveJob(context: StoreContext, id: string, tenant: TenantView): Promise<RedriveResult> {
  return storageCall(context, 'retry', () =>
    inRounds(context, id, tenant, async job => {
      if (job.status !== 'failed' && job.status !== 'cancelled') return invalidState(job);
      const redriven = await change(context, job, {
        via: 'U3',
        from: job.status,
        to: 'pending',
        dropLease: true,
        set: {
          runs: 0,
          failures: 0,
          crashes: 0,
          isolatedRescues: 0,
          runSeq: (job.runSeq ?? 1) + 1,
          runAt: context.clock.now(),
        },
        // Without the run key of the old life, none of its runs can write into the new one.
        unset: ['runKey', 'finishedAt', 'expireAt', 'cancelRequestedAt', 'errors', 'result', 'progress', 'startBy'],
      });
      return redriven && { status: 'redriven', job: redriven };
    }),
  );
}

/** U5: removes a job that is not running, and frees its idempotency key. `force` drops a webhook delivery that is still due. */
export function deleteJob(
  context: StoreContext,
  id: string,
  tenant: TenantView,
  force: boolean,
): Promise<DeleteResult> {
  return storageCall(context, 'delete', () =>
    inRounds<DeleteResult>(context, id, tenant, async job => {
      if (job.status === 'processing') return invalidState(job);
      if (!force && hasDueDelivery(job)) return { status: 'delivery-due' };
      const deleted = await context.jobs.findOneAndDelete(
        {
          _id: job._id,
          tenant: job.tenant,
          status: { $ne: 'processing' },
          ...(force ? {} : { 'deliveries.state': { $ne: 'due' } }),
        },
        { writeConcern: WRITE_CONCERNS.majority! },
      );
      return deleted && { status: 'deleted', job: deleted };
    }),
  );
}

function hasDueDelivery(job: JobDocument & { deliveries?: { state: string }[] }): boolean {
  return job.deliveries?.some(delivery => delivery.state === 'due') ?? false;
}

/** Runs `attempt` on the job as read; null from it means that the job changed meanwhile. */
async function inRounds<Result>(
  context: StoreContext,
  id: string,
  tenant: TenantView,
  attempt: (job: JobDocument) => Promise<Result | null>,
): Promise<Result | { status: 'not-found' } | { status: 'invalid-state'; currentStatus: JobStatus }> {
  for (let round = 0; ; round += 1) {
    const job = await readJob(context, id, tenant);
    if (!job) return { status: 'not-found' };
    if (round === ROUNDS) return invalidState(job);
    const result = await attempt(job);
    if (result) return result;
  }
}

/** One conditional write; null when the job is no longer in that status or in that life. */
async function change(
  context: StoreContext,
  job: JobDocument,
  wanted: Omit<StatusChange, 'runSeq'>,
): Promise<JobDocument | null> {
  const update = statusChange(context, { ...wanted, runSeq: wanted.set?.runSeq ?? job.runSeq });
  return context.jobs.findOneAndUpdate(
    // runSeq as read, so that the history names the life that the change belongs to. A foreign insert may have none.
    { _id: job._id, tenant: job.tenant, status: wanted.from, runSeq: job.runSeq ?? { $exists: false } },
    update,
    { returnDocument: 'after', writeConcern: WRITE_CONCERNS.majority! },
  );
}

/** Read on the primary: what follows is a conditional write there. */
async function readJob({ jobs }: StoreContext, id: string, tenant: TenantView): Promise<JobDocument | null> {
  return jobs.findOne({ _id: new mongo.ObjectId(id), ...(tenant === null ? {} : { tenant }) });
}

function invalidState(job: JobDocument): { status: 'invalid-state'; currentStatus: JobStatus } {
  return { status: 'invalid-state', currentStatus: job.status };
}
