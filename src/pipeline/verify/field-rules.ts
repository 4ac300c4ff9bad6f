import { isTerminal, JOB_STATUSES } from '../store/job-document.ts';
import type { JobRecord } from '../store/ledger-reads.ts';
import { LEASE_FIELDS } from '../store/status-change.ts';
import type { JobRule } from './rule.ts';

type Field = keyof JobRecord;

/** Which fields belong to which status: what the transitions set and unset (docs/job-lifecycle.md). */
export const FIELD_RULES: readonly JobRule[] = [
  {
    id: 'known-status',
    severity: 'broken',
    text: 'the status is one of the six',
    check: ({ status }) => (status && JOB_STATUSES.includes(status) ? null : `status is ${JSON.stringify(status)}`),
  },
  {
    id: 'ended-fields',
    severity: 'broken',
    text: 'a job that has ended says when, and when it will be removed',
    check: job => (hasEnded(job) ? lacking(job, ['finishedAt', 'expireAt']) : null),
  },
  {
    id: 'ended-lease',
    severity: 'broken',
    text: 'a job that has ended holds no lease and waits for no start',
    check: job => (hasEnded(job) ? leftover(job, [...LEASE_FIELDS, 'startBy']) : null),
  },
  {
    id: 'open-end',
    severity: 'broken',
    text: 'a job that has not ended has no end: MongoDB would remove it at expireAt',
    check: job => (hasEnded(job) ? null : leftover(job, ['finishedAt', 'expireAt'])),
  },
  {
    id: 'pending-lease',
    severity: 'broken',
    text: 'a pending job holds no lease',
    check: job => (job.status === 'pending' ? leftover(job, LEASE_FIELDS) : null),
  },
  {
    id: 'queued-lease',
    severity: 'broken',
    text: 'a queued job has a token and a lease, and no run',
    check: job =>
      job.status === 'queued'
        ? (lacking(job, ['token', 'owner', 'queuedAt', 'beatAt', 'leaseMs']) ?? leftover(job, ['runKey', 'suspectAt']))
        : null,
  },
  {
    id: 'processing-lease',
    severity: 'broken',
    text: 'a processing job has a run key and a lease',
    check: job =>
      job.status === 'processing' ? lacking(job, ['runKey', 'owner', 'startedAt', 'beatAt', 'leaseMs']) : null,
  },
  {
    id: 'retries',
    severity: 'broken',
    text: 'failures are at most maxRetries + 1, and at most maxRetries while the job has not ended',
    check: job => {
      // A foreign insert without maxRetries takes its type's, which is not in the document.
      if (typeof job.maxRetries !== 'number') return null;
      const most = Math.max(0, job.maxRetries) + (hasEnded(job) ? 1 : 0);
      const failures = job.failures ?? 0;
      return failures > most ? `${failures} failures, maxRetries ${job.maxRetries}, ${job.status}` : null;
    },
  },
  {
    id: 'lane-known',
    severity: 'stuck',
    text: 'a due job is in a lane that job types or QUEUES name; in another one it waits for ever',
    check: (job, { lanes, now, lateMs }) =>
      job.status === 'pending' && !lanes.has(job.queue ?? '') && isBefore(job.runAt, now - lateMs)
        ? `lane ${JSON.stringify(job.queue)}, due ${secondsAgo(job.runAt, now)}`
        : null,
  },
  {
    id: 'ended-removed',
    severity: 'stuck',
    text: 'MongoDB removes a job at its expireAt (index ttl), a day later at most',
    check: (job, { now }) =>
      hasEnded(job) && isBefore(job.expireAt, now - DAY_MS) ? `expired ${secondsAgo(job.expireAt, now)}` : null,
  },
];

const DAY_MS = 86_400_000;

/** A foreign document's field may be of any kind. */
const KINDS: Partial<Record<Field, (value: unknown) => boolean>> = {
  leaseMs: value => typeof value === 'number',
  owner: value => typeof value === 'string',
  token: isId,
  runKey: isId,
};

function isId(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'toHexString' in value;
}

function hasEnded({ status }: JobRecord): boolean {
  return status !== undefined && isTerminal(status);
}

function lacking(job: JobRecord, fields: readonly Field[]): string | null {
  const missing = fields.filter(field => !(KINDS[field] ?? isDate)(job[field]));
  return missing.length > 0 ? `lacks ${missing.join(', ')}` : null;
}

function leftover(job: JobRecord, fields: readonly Field[]): string | null {
  const present = fields.filter(field => job[field] !== undefined);
  return present.length > 0 ? `still has ${present.join(', ')}` : null;
}

function isDate(value: unknown): boolean {
  return value instanceof Date;
}

export function isBefore(date: unknown, ms: number): boolean {
  return date instanceof Date && date.getTime() < ms;
}

export function secondsAgo(date: unknown, now: number): string {
  return date instanceof Date ? `${Math.round((now - date.getTime()) / 1_000)} s ago` : 'at an unknown time';
}
