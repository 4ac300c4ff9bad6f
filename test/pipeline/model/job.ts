import type { JobStatus } from '../../../src/pipeline/store/job-document.ts';

/** One line of a job's history, as the model expects it. */
export interface Entry {
  via: string;
  from: JobStatus;
  to: JobStatus;
  by: string;
  runKey: string | null;
}

/**
 * What the model knows of one job. Ids and run keys are hexadecimal digits; a claim token is a name of the model's own,
 * because the store makes it unseen. Times are those of the model's clock; what is absent is null.
 */
export interface Job {
  readonly id: string;
  readonly tenant: string;
  readonly priority: number;
  readonly maxRetries: number;
  /** Fixed delay before a retry. */
  readonly delayMs: number;
  readonly key: { name: string; fingerprint: string } | null;
  hits: number;
  status: JobStatus;
  runAt: number;
  /** A rescue's delay is random: runAt then lies between this and `runAt`, until the document was read. */
  runAtFrom: number | null;
  startBy: number | null;
  token: string | null;
  runKey: string | null;
  owner: string | null;
  /** Number of the write that renewed the lease last: stands for beatAt. */
  beat: number | null;
  /** The lease has run out. */
  isOver: boolean;
  /** Number of the write that set suspectAt. */
  suspect: number | null;
  isIsolated: boolean;
  isCancelRequested: boolean;
  runs: number;
  failures: number;
  crashes: number;
  isolatedRescues: number;
  queuedRefreshes: number;
  runSeq: number;
  /** Run key of the run whose result is stored. */
  result: string | null;
  /** Names, the last ten. */
  errors: string[];
  historySeq: number;
  history: Entry[];
}

/** A job that nobody has touched yet. */
export const UNTOUCHED = {
  status: 'pending',
  hits: 0,
  runAtFrom: null,
  token: null,
  runKey: null,
  owner: null,
  beat: null,
  isOver: false,
  suspect: null,
  isIsolated: false,
  isCancelRequested: false,
  runs: 0,
  failures: 0,
  queuedRefreshes: 0,
  runSeq: 1,
  result: null,
  errors: [],
  historySeq: 1,
} satisfies Partial<Job>;

/** What a loader got, and what the engine carries. */
export interface Ticket {
  id: string;
  token: string;
}

export interface Run {
  id: string;
  runKey: string;
}

/** All jobs, the time, and a source of numbers. */
export class World {
  readonly jobs = new Map<string, Job>();
  now: number;
  #stamps = 0;

  constructor(now: number) {
    this.now = now;
  }

  stamp(): number {
    this.#stamps += 1;
    return this.#stamps;
  }

  /** The job as it is now, for a reader who will act on it later. */
  read(id: string, tenant: string | null = null): Job | null {
    const job = this.jobs.get(id);
    return job && (tenant === null || job.tenant === tenant) ? { ...job, history: [...job.history] } : null;
  }
}
