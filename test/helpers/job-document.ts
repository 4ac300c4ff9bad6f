import { mongo } from 'mongoose';
import type { JobDocument } from '../../src/pipeline/store/job-document.ts';

/** A job as the API would have inserted it, with what is given. */
export function newJobDocument(over: Partial<JobDocument> = {}): JobDocument {
  const now = new Date();
  return {
    _id: new mongo.ObjectId(),
    v: 1,
    tenant: 'default',
    type: 'test:job',
    version: 1,
    queue: 'default',
    priority: 5,
    payload: {},
    status: 'pending',
    // A second ago: the server's clock, which decides what is due, is estimated and may be some milliseconds behind.
    runAt: new Date(now.getTime() - 1_000),
    createdAt: now,
    maxRetries: 3,
    retry: { strategy: 'exponential', delayMs: 1_000 },
    timeoutMs: 10_000,
    runs: 0,
    failures: 0,
    crashes: 0,
    isolatedRescues: 0,
    queuedRefreshes: 0,
    runSeq: 1,
    history: [{ at: now, from: null, to: 'pending', by: 'test', via: 'T0' }],
    historySeq: 1,
    ...over,
  };
}
