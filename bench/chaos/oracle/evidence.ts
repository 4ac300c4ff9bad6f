import type { JobStatus } from '../../../src/pipeline/store/job-document.ts';
import type { Deed } from '../job/chaos-payload.ts';
import type { JobPlan } from '../job/job-plan.ts';
import type { VitalSign } from './vitals.ts';

/*
 * What the oracle judges: records made outside the system, and the ledger as it was read at the end. All times are
 * milliseconds of the system's monotonic clock.
 */

/** One try to post one job. */
export interface PostRecord {
  key: string;
  client: number;
  at: number;
  /** Until the answer, or until it was given up. */
  ms: number;
  /** HTTP status; null when no answer came. */
  status: number | null;
  /** Of the job, from a 202 or a replay. */
  id: string | null;
  detail?: string;
}

/** What a client asked of a job, and what it was answered. */
export interface OperationRecord {
  kind: 'cancel' | 'retry' | 'delete';
  jobId: string;
  at: number;
  /** Until the answer, or until it was given up. */
  ms: number;
  /** HTTP status; null when no answer came: then it may have been done. */
  status: number | null;
  detail?: string;
}

/** One start of a handler, with its end where the audit has one. */
export interface RunRecord {
  jobId: string;
  runKey: string;
  key: string;
  attempt: number;
  worker: string;
  startedAt: number;
  end: { outcome: 'ok' | 'fail'; at: number } | null;
}

export type FaultRecord =
  /** `by`: a handler of its own ended it, in this way. */
  | { kind: 'kill'; worker: string; at: number; by?: Deed }
  /** Stood still from `at` to `until`: SIGSTOP and SIGCONT, or a handler that held the event loop. */
  | { kind: 'stop'; worker: string; at: number; until: number }
  | { kind: 'flush'; at: number }
  /** SIGTERM at `at`, sent so many times; it had ended at `until`, and `exits` is the exit code that was right. */
  | { kind: 'term'; worker: string; at: number; until: number; times: number; exits: number }
  /** Wall clocks were set. */
  | { kind: 'jump'; at: number }
  | Outage;

/** A server or the way to it was away, slow or full. One that outlasts a lease may cost extra runs of whatever ran meanwhile. */
export interface Outage {
  kind: 'outage';
  of: 'mongo' | 'redis';
  how: string;
  /** Whom alone it met; all when left out. */
  worker?: string;
  at: number;
  until: number;
  outlastsLease: boolean;
  /** How often it was met, where that can be counted: replies lost, commands failed. */
  hits?: number;
  /** Where it was looked at: how long after `at` each worker said that it is not ready; null when it never did. */
  unready?: readonly { worker: string; afterMs: number | null }[];
}

/** A process that the harness started. */
export interface ProcessRecord {
  name: string;
  role: 'api' | 'worker';
  pid: number;
  startedAt: number;
  /** Null when it had to be left behind. */
  endedAt: number | null;
  exit: { code: number | null; signal: string | null } | null;
  /** The signal by which the harness ended it; null when it ended by itself. */
  endedBy: 'SIGKILL' | 'SIGTERM' | null;
  /** Lines of its log that tell of a fault nobody caught, and what it wrote to standard error. */
  alarms: string[];
  /** How often its watchdog rebuilt its consumers. */
  rebuilds?: number;
}

export interface LedgerHistoryEntry {
  via: string;
  from: JobStatus | null;
  to: JobStatus;
  by: string;
  runKey: string | null;
  reason: string | null;
  /** The writer's estimate of the ledger's time, moved to the monotonic clock; only information. */
  at: number;
}

/** A document of the ledger, ids as text. */
export interface LedgerJob {
  id: string;
  /** From its payload. */
  key: string | null;
  status: JobStatus;
  runKey: string | null;
  runSeq: number;
  runs: number;
  failures: number;
  crashes: number;
  maxRetries: number;
  timeoutMs: number;
  history: LedgerHistoryEntry[];
  historySeq: number;
}

export interface Evidence {
  /** Where the round asked for it. */
  vitals?: readonly VitalSign[];
  plans: ReadonlyMap<string, JobPlan>;
  posts: readonly PostRecord[];
  /** Where clients cancelled, retried and deleted jobs. */
  operations?: readonly OperationRecord[];
  runs: readonly RunRecord[];
  faults: readonly FaultRecord[];
  processes: readonly ProcessRecord[];
  /** What outlived the processes that the harness started. */
  leftBehind: readonly string[];
  jobs: readonly LedgerJob[];
  /** Slots of one worker, and how many workers there are at a time. */
  concurrency: number;
  workers: number;
}

export interface Violation {
  jobId?: string;
  text: string;
}

/** One rule: what must hold, and how to look for what breaks it. Pure. */
export interface Invariant {
  id: string;
  title: string;
  check(casebook: Casebook): Violation[];
}

/** The evidence with the joins that most rules need. */
export interface Casebook extends Evidence {
  jobsById: ReadonlyMap<string, LedgerJob>;
  /** By job id, in order of their start. */
  runsByJob: ReadonlyMap<string, readonly RunRecord[]>;
  operationsByJob: ReadonlyMap<string, readonly OperationRecord[]>;
}

export function openCasebook(evidence: Evidence): Casebook {
  return {
    ...evidence,
    jobsById: new Map(evidence.jobs.map(job => [job.id, job])),
    runsByJob: byJob([...evidence.runs].sort((a, b) => a.startedAt - b.startedAt)),
    operationsByJob: byJob(evidence.operations ?? []),
  };
}

function byJob<Row extends { jobId: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const grouped = new Map<string, Row[]>();
  for (const row of rows) {
    const group = grouped.get(row.jobId);
    if (group) group.push(row);
    else grouped.set(row.jobId, [row]);
  }
  return grouped;
}

export function runsOf(casebook: Casebook, jobId: string): readonly RunRecord[] {
  return casebook.runsByJob.get(jobId) ?? [];
}

/** Whether the history was never cut: then it tells the whole life of the job. */
export function hasWholeHistory(job: LedgerJob): boolean {
  return job.historySeq === job.history.length;
}

const OUTCOMES: ReadonlySet<string> = new Set(['T5', 'T5s', 'T6', 'T7', 'T8', 'T9', 'T10']);

/** How the ledger says that a run ended; undefined when it never accepted an outcome of it. */
export function outcomeOf(job: LedgerJob | undefined, runKey: string): LedgerHistoryEntry | undefined {
  return job?.history.find(entry => entry.runKey === runKey && OUTCOMES.has(entry.via));
}

/** The process that made a change of status; undefined when it is none that the harness started. */
export function authorOf({ processes }: Evidence, { by }: LedgerHistoryEntry): ProcessRecord | undefined {
  const pid = by.split(':').at(-2);
  return processes.find(process => String(process.pid) === pid);
}

/** Where and when something ran. */
export type Span = Pick<RunRecord, 'worker' | 'startedAt' | 'end'>;

/** The child of an isolated run outlives its killed worker by a moment, and may begin its run in it. */
const CHILD_AFTER_KILL_MS = 1_000;

/** When a kill of its worker ended the run, at its start at the earliest; undefined when none did. */
export function killOf(
  { faults }: Evidence,
  { worker, startedAt }: Pick<Span, 'worker' | 'startedAt'>,
): number | undefined {
  const kill = faults.find(
    fault => fault.kind === 'kill' && fault.worker === worker && fault.at + CHILD_AFTER_KILL_MS >= startedAt,
  );
  return kill && Math.max(kill.at, startedAt);
}

/** The end of a run at the latest, as far as evidence goes: its own line, else the end of its process. */
export function endOfRun(casebook: Evidence, run: Span): number {
  if (run.end) return run.end.at;
  const worker = casebook.processes.find(process => process.name === run.worker);
  return killOf(casebook, run) ?? worker?.endedAt ?? Number.POSITIVE_INFINITY;
}
