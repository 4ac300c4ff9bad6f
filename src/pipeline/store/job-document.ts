import type { mongo } from 'mongoose';
import type { RetryPolicy } from '../../platform/backoff.ts';

type ObjectId = mongo.ObjectId;

export const JOB_STATUSES = ['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** Completed, failed and cancelled: only a redrive or a delete leaves them. */
export function isTerminal(status: JobStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** One failed run. `name` is the handler's, or the ledger's own: timeout, expired, poison, crash, result-not-storable. `message` and `stack` together are at most 2 KB. */
export interface JobError {
  name: string;
  message: string;
  stack?: string;
  attempt: number;
  retryable: boolean;
  at: Date;
}

/** One change of status. Entry i has sequence number `historySeq − (length − 1 − i)`; `at` is an estimate and only information. */
export interface HistoryEntry {
  at: Date;
  from: JobStatus | null;
  to: JobStatus;
  /** Worker or API process, or `foreign`. */
  by: string;
  /** Id of the transition, for example `T5`. */
  via: string;
  runKey?: ObjectId;
  runSeq?: number;
  reason?: string;
}

export interface JobLogLine {
  at: Date;
  attempt: number;
  message: string;
}

/** A job: one document of the collection `jobs`. Times are dates, durations milliseconds. */
export interface JobDocument {
  _id: ObjectId;
  v: 1;
  tenant: string;
  type: string;
  /** Version of the type. */
  version: number;
  queue: string;
  /** 0–10, larger first. */
  priority: number;
  payload: unknown;
  metadata?: Record<string, unknown>;
  tags?: string[];

  status: JobStatus;
  runAt: Date;
  /** A job that has not started by then fails as `expired`. */
  startBy?: Date;
  createdAt: Date;
  queuedAt?: Date;
  startedAt?: Date;
  finishedAt?: Date;
  expireAt?: Date;

  maxRetries: number;
  retry: RetryPolicy;
  timeoutMs: number;

  runs: number;
  failures: number;
  crashes: number;
  isolatedRescues: number;
  queuedRefreshes: number;
  /** Counts lives: 1, +1 at every redrive. */
  runSeq: number;

  token?: ObjectId;
  runKey?: ObjectId;
  owner?: string;
  beatAt?: Date;
  leaseMs?: number;
  suspectAt?: Date;
  /** Since when the job is in the hands of a child process of its own; of this run only. */
  isolatedAt?: Date;
  cancelRequestedAt?: Date;

  progress?: unknown;
  result?: unknown;
  errors?: JobError[];
  logs?: JobLogLine[];
  history?: HistoryEntry[];
  historySeq?: number;

  idempotency?: { key: string; fingerprint: string; hits: number };
  scheduleId?: ObjectId;
  parentId?: ObjectId;
}

/** What a claim hands to the engine: all that Redis carries of a job besides its type. */
export interface ClaimedJob {
  id: ObjectId;
  type: string;
  /** Version of the type; a worker that knows only older ones gives the job back. */
  version: number;
  token: ObjectId;
}

/** Names one run. */
export interface RunRef {
  id: ObjectId;
  runKey: ObjectId;
}
