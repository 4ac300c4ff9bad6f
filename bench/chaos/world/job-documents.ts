import { mongo } from 'mongoose';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { newJobDocument } from '../../../test/helpers/job-document.ts';
import { CHAOS_TYPE } from '../job/chaos-registry.ts';

const DAY_MS = 24 * 3_600_000;

/** A job as a client library would insert it. */
export function pendingJob(over: Partial<JobDocument>): JobDocument {
  const createdAt = new Date();
  return newJobDocument({
    type: CHAOS_TYPE,
    runAt: createdAt,
    createdAt,
    timeoutMs: 60_000,
    history: [{ at: createdAt, from: null, to: 'pending', by: 'client:1:chaos', via: 'T0', runSeq: 1 }],
    ...over,
  });
}

/** Due since yesterday, of any priority. */
export function waitingJob(index: number): JobDocument {
  const payload = { key: `job-${index}`, text: 'x'.repeat(100) };
  return pendingJob({ payload, priority: index % 11, runAt: new Date(Date.now() - DAY_MS + index) });
}

/** As its whole life leaves it: four of five completed, the others failed or cancelled. */
export function finishedJob(index: number): JobDocument {
  const job = waitingJob(index);
  const at = job.runAt;
  const status = index % 5 < 4 ? 'completed' : index % 2 === 0 ? 'failed' : 'cancelled';
  const runKey = new mongo.ObjectId();
  const by = 'worker:1:chaos';
  return {
    ...job,
    status,
    runKey,
    runs: 1,
    queuedAt: at,
    startedAt: at,
    finishedAt: at,
    expireAt: new Date(Date.now() + 30 * DAY_MS),
    result: { key: `job-${index}` },
    history: [
      ...job.history!,
      { at, from: 'pending', to: 'queued', by, via: 'T1' },
      { at, from: 'queued', to: 'processing', by, via: 'T3', runKey },
      { at, from: 'processing', to: status, by, via: 'T5', runKey, runSeq: 1 },
    ],
    historySeq: 4,
  };
}
