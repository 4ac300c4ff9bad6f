import { percentile } from '../../statistics.ts';
import { type Casebook, type Evidence, openCasebook, outcomeOf } from './evidence.ts';
import { recoveries } from './recoveries.ts';
import { duplicates, extraRuns, extraRunsBound } from './runs.ts';

/** What a round came to, in numbers; durations in milliseconds. */
export interface Figures {
  jobs: number;
  completed: number;
  failed: number;
  posts: number;
  postsWithoutAnswer: number;
  /** Answered posts, in milliseconds. */
  postMs: Spread;
  runs: number;
  kills: number;
  stops: number;
  flushes: number;
  terms: number;
  outages: number;
  /** Results that a stopped worker offered after it went on, and that the ledger did not take. */
  lateRefused: number;
  /** Results of such a worker that the ledger could still take: nobody had claimed the job meanwhile (T4s, T5s). */
  lateAccepted: number;
  rescues: number;
  extraRuns: number;
  extraRunsBound: number;
  duplicates: number;
  /** I8: from a kill until each job that the victim held runs again. */
  recovery: Spread;
}

export interface Spread {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

export function figuresOf(evidence: Evidence): Figures {
  const casebook = openCasebook(evidence);
  const count = (kind: string) => evidence.faults.filter(fault => fault.kind === kind).length;
  const ended = (status: string) => evidence.jobs.filter(job => job.status === status).length;
  const late = lateResults(casebook);
  return {
    jobs: evidence.jobs.length,
    completed: ended('completed'),
    failed: ended('failed'),
    posts: evidence.posts.length,
    postsWithoutAnswer: evidence.posts.filter(post => post.status === null || post.status >= 500).length,
    postMs: spreadOf(evidence.posts.filter(post => post.status !== null).map(post => post.ms)),
    runs: evidence.runs.length,
    kills: count('kill'),
    stops: count('stop'),
    flushes: count('flush'),
    terms: count('term'),
    outages: count('outage'),
    lateRefused: late.refused,
    lateAccepted: late.accepted,
    rescues: evidence.jobs.reduce((sum, job) => sum + job.history.filter(entry => entry.via === 'S2').length, 0),
    extraRuns: extraRuns(casebook).length,
    extraRunsBound: extraRunsBound(evidence),
    duplicates: duplicates(casebook),
    recovery: spreadOf(recoveries(casebook)),
  };
}

/** Runs that began before a stop of their worker and ended after it, and that the sweeper had taken back meanwhile. */
function lateResults(casebook: Casebook): { refused: number; accepted: number } {
  const late = { refused: 0, accepted: 0 };
  const stops = casebook.faults.filter(fault => fault.kind === 'stop');
  for (const run of casebook.runs) {
    const { end } = run;
    if (!end) continue;
    const wasStopped = stops.some(
      stop => stop.worker === run.worker && run.startedAt <= stop.at && end.at >= stop.until,
    );
    const job = casebook.jobsById.get(run.jobId);
    const wasTakenBack = job?.history.some(entry => entry.via === 'S2' && entry.runKey === run.runKey);
    if (!wasStopped || !wasTakenBack) continue;
    if (outcomeOf(job, run.runKey)) late.accepted += 1;
    else late.refused += 1;
  }
  return late;
}

/** Percentiles of durations, rounded. */
function spreadOf(values: readonly number[]): Spread {
  const at = (percent: number) => (values.length === 0 ? 0 : Math.round(percentile(values, percent)));
  return { count: values.length, p50: at(50), p99: at(99), max: at(100) };
}
