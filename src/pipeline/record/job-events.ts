import { EventEmitter } from 'node:events';
import type { JobStatus } from '../store/job-document.ts';
import type { TransitionId } from '../store/transitions.ts';
import type { Finding } from '../verify/findings.ts';

/** What every event of a job says. `attempt` as DESIGN has it: failures + 1. */
export interface JobEventBase {
  jobId: string;
  type: string;
  queue: string;
  attempt: number;
}

/** Events of this process, for its log, its metrics and whoever else listens. The ledger's own history is the durable record. */
export interface JobEventMap {
  started: [JobEventBase & { runs: number; isolated: boolean }];
  ended: [
    JobEventBase & { status: JobStatus; via: TransitionId; durationMs: number; error?: string; retryInMs?: number },
  ];
  lost: [JobEventBase & { durationMs: number }];
  stale: [{ jobId: string; type: string }];
  returned: [{ jobId: string; type: string; reason: string }];
  rescued: [{ jobId: string; type: string; to: JobStatus; owner: string | undefined; crashes: number }];
  released: [{ count: number }];
  expired: [{ count: number }];
  loaded: [{ lane: string; count: number }];
  /** A handler that was timed out, or whose run was lost, goes on; `count` of them are alive in this process. */
  zombie: [JobEventBase & { count: number }];
  lag: [{ lagMs: number; jobs: string[] }];
  /** The check of the ledger found something that should not be. */
  drift: [Finding];
  fault: [{ component: string; error: unknown }];
}

export class JobEvents extends EventEmitter<JobEventMap> {}
