import { z } from 'zod';
import { isTerminal, JOB_STATUSES, type JobDocument, type JobError } from '../pipeline/store/job-document.ts';

const time = z.iso.datetime();

const errorSchema = z.object({
  name: z.string().describe("The handler's error, or timeout, expired, poison, result-not-storable"),
  message: z.string(),
  attempt: z.int(),
  retryable: z.boolean(),
  at: time,
  stack: z.string().optional().describe('Only for keys with scope admin'),
});

/** A job as the API shows it: neither the lease and its secrets nor what identifies a run. */
export const jobSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    status: z.enum(JOB_STATUSES),
    queue: z.string(),
    priority: z.number(),
    tenant: z.string(),
    payload: z.unknown(),
    tags: z.array(z.string()),
    attempt: z.int().describe('failures + 1; on a failed job the number of failures'),
    maxRetries: z.int().nullable(),
    runAt: time,
    createdAt: time,
    queuedAt: time.nullable(),
    startedAt: time.nullable().describe('Of the latest run'),
    finishedAt: time.nullable(),
    durationMs: z.int().nullable().describe('Of the latest run, once the job has ended'),
    progress: z.unknown(),
    result: z.unknown(),
    error: errorSchema.nullable().describe('The latest one'),
    runs: z.int(),
    crashes: z.int(),
    runSeq: z.int().describe('Counts lives: 1, and 1 more at every retry by the API'),
    workerId: z.string().nullable().describe('Process of the latest run'),
    webhook: z.null(),
    scheduleId: z.string().nullable(),
    parentId: z.string().nullable(),
  })
  .meta({ id: 'Job' });

export type JobView = z.output<typeof jobSchema>;

/** Also takes documents that others inserted, which may lack everything that a submit fills in. */
export function viewOf(job: JobDocument, showStacks: boolean): JobView {
  const failures = job.failures ?? 0;
  return {
    id: job._id.toHexString(),
    type: job.type,
    status: job.status,
    queue: job.queue,
    priority: job.priority,
    tenant: job.tenant,
    payload: job.payload,
    tags: job.tags ?? [],
    attempt: job.status === 'failed' ? failures : failures + 1,
    maxRetries: job.maxRetries ?? null,
    runAt: job.runAt.toISOString(),
    createdAt: (job.createdAt ?? job._id.getTimestamp()).toISOString(),
    queuedAt: job.queuedAt?.toISOString() ?? null,
    startedAt: job.startedAt?.toISOString() ?? null,
    finishedAt: job.finishedAt?.toISOString() ?? null,
    durationMs: durationOf(job),
    progress: job.progress ?? null,
    result: job.result ?? null,
    error: lastError(job.errors, showStacks),
    runs: job.runs ?? 0,
    crashes: job.crashes ?? 0,
    runSeq: job.runSeq ?? 1,
    workerId: workerOf(job),
    webhook: null,
    scheduleId: job.scheduleId?.toHexString() ?? null,
    parentId: job.parentId?.toHexString() ?? null,
  };
}

function durationOf({ status, startedAt, finishedAt }: JobDocument): number | null {
  if (!isTerminal(status) || !startedAt || !finishedAt) return null;
  return Math.max(0, finishedAt.getTime() - startedAt.getTime());
}

function lastError(errors: readonly JobError[] | undefined, showStacks: boolean): JobView['error'] {
  const error = errors?.at(-1);
  if (!error) return null;
  const { name, message, attempt, retryable, at, stack } = error;
  const shown = { name, message, attempt, retryable, at: at.toISOString() };
  return showStacks && stack !== undefined ? { ...shown, stack } : shown;
}

/** A finished job has no lease any more; its history still names the process that started the latest run. */
function workerOf({ status, owner, history }: JobDocument): string | null {
  if (status === 'processing' && owner) return owner;
  return history?.findLast(entry => entry.to === 'processing' && entry.from !== 'processing')?.by ?? null;
}
