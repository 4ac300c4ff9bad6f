import type { mongo } from 'mongoose';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { insertJob } from '../../../src/pipeline/store/job-inserts.ts';
import {
  type CancelResult,
  cancelJob,
  type DeleteResult,
  deleteJob,
  type RedriveResult,
  redriveJob,
} from '../../../src/pipeline/store/job-operations.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { newJobDocument } from '../../helpers/job-document.ts';
import * as model from './client-operations.ts';
import type { Fleet, Pace } from './fleet.ts';
import { type Job, UNTOUCHED } from './job.ts';

/** What clients ask of the API. */

const hex = (id: mongo.ObjectId): string => id.toHexString();

export interface NewJob {
  priority: number;
  maxRetries: number;
  delayMs: number;
  startByMs: number | null;
  key: string | null;
  fingerprint: string;
  /** A past: runs whose worker vanished. */
  crashes: number;
  isolatedRescues: number;
}

export function submit(fleet: Fleet, pace: Pace, shape: NewJob): Promise<void> {
  const { world } = fleet;
  const { key, fingerprint, startByMs, delayMs, ...rest } = shape;
  const now = new Date(world.now);
  const startBy = startByMs === null ? null : world.now + startByMs;
  const document = newJobDocument({
    ...rest,
    runAt: now,
    createdAt: now,
    retry: { strategy: 'fixed', delayMs },
    ...(startBy === null ? {} : { startBy: new Date(startBy) }),
    ...(key === null ? {} : { idempotency: { key, fingerprint, hits: 0 } }),
  });
  return fleet.go('api', pace, {
    label: `submits ${hex(document._id)} with key ${key}`,
    model: model.submit(world, modelOf(document, startBy)),
    real: context => insertJob(context, document),
    view: answer => ('job' in answer ? { status: answer.status, id: hex(answer.job._id) } : answer),
    done: ({ status }) => fleet.census.count(`submit: ${status}`),
  });
}

function modelOf(document: JobDocument, startBy: number | null): Job {
  const { tenant, priority, maxRetries, retry, crashes, isolatedRescues, idempotency } = document;
  return {
    ...UNTOUCHED,
    id: hex(document._id),
    tenant,
    priority,
    maxRetries,
    delayMs: retry.delayMs,
    key: idempotency ? { name: idempotency.key, fingerprint: idempotency.fingerprint } : null,
    runAt: document.runAt.getTime(),
    startBy,
    crashes,
    isolatedRescues,
    history: [{ via: 'T0', from: null as never, to: 'pending', by: 'test', runKey: null }],
  };
}

export type Request = 'cancel' | 'redrive' | 'delete';
type Answer = CancelResult | RedriveResult | DeleteResult;

const ASK: Record<Request, (context: StoreContext, id: string, tenant: string | null) => Promise<Answer>> = {
  cancel: cancelJob,
  redrive: redriveJob,
  delete: (context, id, tenant) => deleteJob(context, id, tenant, false),
};
const EXPECT = { cancel: model.cancel, redrive: model.redrive, delete: model.remove };

/** A request of the API about one job. */
export function request(fleet: Fleet, pace: Pace, what: Request, id: string, tenant: string | null): Promise<void> {
  const { world } = fleet;
  return fleet.go('api', pace, {
    label: `is asked to ${what} ${id} of ${tenant ?? 'any tenant'}`,
    model: EXPECT[what](world, id, tenant, 'api'),
    real: context => ASK[what](context, id, tenant),
    view: answer =>
      'currentStatus' in answer
        ? { status: answer.status, currentStatus: answer.currentStatus }
        : { status: answer.status },
    done: ({ status }) => fleet.census.count(`${what}: ${status}`),
  });
}
