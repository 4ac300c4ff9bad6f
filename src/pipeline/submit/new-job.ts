import type { Config } from '../../config/config.ts';
import { newObjectId } from '../store/bson.ts';
import type { JobDocument } from '../store/job-document.ts';
import type { CheckedSubmission } from './check-submission.ts';

export interface NewJobOptions {
  tenant: string;
  now: Date;
  processId: string;
  defaults: Config['jobDefaults'];
  idempotency: { key: string; fingerprint: string } | null;
}

const DEFAULT_PRIORITY = 5;

/** The document of T0. The payload is stored as it was sent: the type's schema reads it again when the job runs. */
export function newJob({ definition, lane, runAt, shape }: CheckedSubmission, options: NewJobOptions): JobDocument {
  const { tenant, now, processId, defaults, idempotency } = options;
  return {
    _id: newObjectId(),
    v: 1,
    tenant,
    type: definition.type,
    version: definition.version,
    queue: lane,
    priority: shape.priority ?? DEFAULT_PRIORITY,
    payload: shape.payload ?? null,
    ...(shape.metadata ? { metadata: shape.metadata } : {}),
    ...(shape.tags ? { tags: shape.tags } : {}),
    status: 'pending',
    runAt,
    ...(shape.startByMs === undefined ? {} : { startBy: new Date(latest(now, runAt) + shape.startByMs) }),
    createdAt: now,
    maxRetries: shape.maxRetries ?? definition.maxRetries ?? defaults.maxRetries,
    retry: { ...(definition.retry ?? defaults.retry), ...withoutUndefined(shape.retry) },
    timeoutMs: shape.timeoutMs ?? definition.timeoutMs ?? defaults.timeoutMs,
    runs: 0,
    failures: 0,
    crashes: 0,
    isolatedRescues: 0,
    queuedRefreshes: 0,
    runSeq: 1,
    history: [{ at: now, from: null, to: 'pending', by: processId, via: 'T0', runSeq: 1 }],
    historySeq: 1,
    ...(idempotency ? { idempotency: { ...idempotency, hits: 0 } } : {}),
  };
}

function latest(a: Date, b: Date): number {
  return Math.max(a.getTime(), b.getTime());
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function withoutUndefined<T extends object>(value: T | undefined): Given<T> {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, member]) => member !== undefined)) as Given<T>;
}
