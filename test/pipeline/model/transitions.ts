import type { JobStatus } from '../../../src/pipeline/store/job-document.ts';
import type { Entry, Job, Run, Ticket, World } from './job.ts';

/*
 * The transition table as plain functions: each looks at its guard and either makes the whole change and answers true, or
 * changes nothing and answers false. Written from the table, not from the store.
 */

const ERRORS_KEPT = 10;
const ISOLATE_AFTER_CRASHES = 2;
const ISOLATED_RESCUES_LIMIT = 10;
const RESCUE_JITTER = 0.3;

type Author = Pick<Entry, 'via' | 'by'> & { runKey?: string | null };

function change(job: Job, to: JobStatus, { via, by, runKey = null }: Author): true {
  job.history.push({ via, from: job.status, to, by, runKey });
  job.historySeq += 1;
  job.status = to;
  return true;
}

function dropLease(job: Job): void {
  Object.assign(job, { token: null, owner: null, beat: null, isOver: false, suspect: null, isIsolated: false });
}

function end(job: Job, to: JobStatus, author: Author): true {
  dropLease(job);
  job.startBy = null;
  return change(job, to, author);
}

function backToPending(job: Job, runAt: number, author: Author): true {
  dropLease(job);
  job.runAt = runAt;
  return change(job, 'pending', author);
}

function addError(job: Job, name: string): void {
  job.errors = [...job.errors, name].slice(-ERRORS_KEPT);
}

/** T1. `now` is when the loader looked. */
export function claim(world: World, job: Job, now: number, token: string, by: string): boolean {
  if (job.status !== 'pending' || job.runAt > now) return false;
  Object.assign(job, { token, owner: by, beat: world.stamp(), isOver: false, runKey: null, queuedRefreshes: 0 });
  return change(job, 'queued', { via: 'T1', by });
}

/** T2, T3u. */
export function putBack(job: Job, token: string, runAt: number, author: Author): boolean {
  if (job.status !== 'queued' || job.token !== token) return false;
  return backToPending(job, runAt, author);
}

/** T3. */
export function start(world: World, job: Job, tickets: readonly Ticket[], runKey: string, by: string): boolean {
  const isMeant = tickets.some(ticket => ticket.id === job.id && ticket.token === job.token);
  if (job.status !== 'queued' || !isMeant) return false;
  Object.assign(job, { runKey, owner: by, beat: world.stamp(), isOver: false, suspect: null, isIsolated: false });
  job.startBy = null;
  job.runs += 1;
  return change(job, 'processing', { via: 'T3', by, runKey });
}

/** T4. */
export function beat(world: World, job: Job, { runKey }: Run): boolean {
  if (job.status !== 'processing' || job.runKey !== runKey) return false;
  Object.assign(job, { beat: world.stamp(), isOver: false, suspect: null });
  return true;
}

/** T4s. */
export function resume(world: World, job: Job, { runKey }: Run, by: string): boolean {
  if (job.status !== 'pending' || job.runKey !== runKey) return false;
  Object.assign(job, { owner: by, beat: world.stamp(), isOver: false });
  return change(job, 'processing', { via: 'T4s', by, runKey });
}

/** T5; T5s when `late`. */
export function complete(job: Job, { runKey }: Run, late: boolean, by: string): boolean {
  if (job.status !== (late ? 'pending' : 'processing') || job.runKey !== runKey) return false;
  job.result = runKey;
  return end(job, 'completed', { via: late ? 'T5s' : 'T5', by, runKey });
}

/** T6, T9, T10: the run is over and leaves its key behind it. */
export function leave(
  job: Job,
  { runKey }: Run,
  how: { via: string; by: string; runAt: number; error?: string; counts?: 'failures' | 'crashes' },
): boolean {
  if (job.status !== 'processing' || job.runKey !== runKey || job.isCancelRequested) return false;
  if (how.counts) job[how.counts] += 1;
  if (how.error) addError(job, how.error);
  job.runKey = null;
  return backToPending(job, how.runAt, { via: how.via, by: how.by, runKey });
}

/** T7, and T10 at its limit. */
export function fail(
  job: Job,
  { runKey }: Run,
  how: { via: string; by: string; error: string; counts: 'failures' | 'crashes' },
): boolean {
  if (job.status !== 'processing' || job.runKey !== runKey || job.isCancelRequested) return false;
  job[how.counts] += 1;
  addError(job, how.error);
  return end(job, 'failed', { via: how.via, by: how.by, runKey });
}

/** T8. */
export function cancelRun(job: Job, { runKey }: Run, error: string | undefined, by: string): boolean {
  if (job.status !== 'processing' || job.runKey !== runKey || !job.isCancelRequested) return false;
  if (error) addError(job, error);
  return end(job, 'cancelled', { via: 'T8', by, runKey });
}

/** T11. `from` and `now` are what the sweeper saw. */
export function expire(job: Job, from: JobStatus, now: number, by: string): boolean {
  if (job.status !== from || job.startBy === null || job.startBy > now) return false;
  addError(job, 'expired');
  return end(job, 'failed', { via: 'T11', by });
}

const isAsSeenQueued = (job: Job, seen: Job): boolean =>
  job.status === 'queued' && job.token === seen.token && job.beat === seen.beat;

/** S1: back to pending. */
export function release(job: Job, seen: Job, by: string): boolean {
  return isAsSeenQueued(job, seen) && backToPending(job, job.runAt, { via: 'S1', by });
}

/** S1: the engine still has it. */
export function refresh(world: World, job: Job, seen: Job, isActive: boolean): boolean {
  if (!isAsSeenQueued(job, seen)) return false;
  Object.assign(job, { beat: world.stamp(), isOver: false });
  if (isActive) job.queuedRefreshes += 1;
  return true;
}

/** S2, step A. */
export function suspect(world: World, job: Job, seen: Job): boolean {
  const isAsSeen = job.status === 'processing' && job.runKey === seen.runKey && job.beat === seen.beat;
  if (!isAsSeen || job.suspect !== null) return false;
  job.suspect = world.stamp();
  return true;
}

const isAsSuspected = (job: Job, seen: Job): boolean =>
  job.status === 'processing' &&
  job.runKey === seen.runKey &&
  job.beat === seen.beat &&
  job.suspect === seen.suspect &&
  job.suspect !== null;

/** S2, step B, first: a run whose cancel was requested. */
export function rescueCancelled(job: Job, seen: Job, by: string): boolean {
  if (!isAsSuspected(job, seen) || !job.isCancelRequested) return false;
  return end(job, 'cancelled', { via: 'S2', by, runKey: seen.runKey });
}

/** S2, step B, then: the rest. Counts and isolation are those that the sweeper saw. */
export function rescue(job: Job, seen: Job, now: number, by: string): JobStatus | null {
  if (!isAsSuspected(job, seen) || job.isCancelRequested) return null;
  const author = { via: 'S2', by, runKey: seen.runKey };
  const isSuspectOfPoison = seen.crashes >= ISOLATE_AFTER_CRASHES;
  if (isSuspectOfPoison && seen.isIsolated) job.isolatedRescues += 1;
  if (!isSuspectOfPoison) job.crashes += 1;
  if (isSuspectOfPoison && seen.isIsolated && seen.isolatedRescues + 1 >= ISOLATED_RESCUES_LIMIT) {
    addError(job, 'poison');
    end(job, 'failed', author);
    return 'failed';
  }
  const waits = seen.crashes > 0 && job.delayMs > 0 && !(isSuspectOfPoison && !seen.isIsolated);
  // Without a wait it keeps its place in the line.
  backToPending(job, waits ? now + job.delayMs : job.runAt, author);
  if (waits) job.runAtFrom = now + Math.floor(job.delayMs * (1 - RESCUE_JITTER));
  return 'pending';
}

/** U1. `from` and the life are what the client's process saw. */
export function cancelWaiting(job: Job, from: JobStatus, runSeq: number, by: string): boolean {
  if (job.status !== from || job.runSeq !== runSeq) return false;
  return end(job, 'cancelled', { via: 'U1', by });
}

/** U2. */
export function requestCancel(job: Job, runSeq: number, by: string): boolean {
  if (job.status !== 'processing' || job.runSeq !== runSeq) return false;
  job.isCancelRequested = true;
  return change(job, 'processing', { via: 'U2', by });
}

/** U3: a new life without anything of the old one. */
export function redrive(job: Job, from: JobStatus, runSeq: number, now: number, by: string): boolean {
  if (job.status !== from || job.runSeq !== runSeq || (from !== 'failed' && from !== 'cancelled')) return false;
  const counts = { runs: 0, failures: 0, crashes: 0, isolatedRescues: 0, runSeq: runSeq + 1 };
  Object.assign(job, counts, { runKey: null, isCancelRequested: false, errors: [], result: null, startBy: null });
  return backToPending(job, now, { via: 'U3', by });
}
