import type { Outcome, Recorded } from '../../../src/pipeline/store/run-outcomes.ts';
import type { Job, Run, Ticket, World } from './job.ts';
import * as table from './transitions.ts';

/**
 * An operation of the store as the model makes it. Each `yield` names the command that goes out next; what follows it is
 * that command's effect, so everything else may happen between two of them.
 */
export type Steps<Answer> = Generator<string, Answer, void>;

const OUTCOMES = new Set(['T5', 'T5s', 'T6', 'T7', 'T8', 'T9', 'T10']);

export function* claim(world: World, limit: number, token: string, by: string): Steps<Ticket[]> {
  const { now } = world;
  yield 'find';
  const due = [...world.jobs.values()]
    .filter(job => job.status === 'pending' && job.runAt <= now)
    .sort((a, b) => b.priority - a.priority || a.runAt - b.runAt || (a.id < b.id ? -1 : 1))
    .slice(0, limit)
    .map(job => job.id);
  if (due.length === 0) return [];
  yield 'updateMany';
  const claimed = due.filter(id => {
    const job = world.jobs.get(id);
    return job && table.claim(world, job, now, token, by);
  });
  const tickets = due.map(id => ({ id, token }));
  if (claimed.length === due.length) return tickets;
  if (claimed.length === 0) return [];
  yield 'find';
  return tickets.filter(({ id }) => world.jobs.get(id)?.token === token);
}

export function* giveBack(world: World, tickets: readonly Ticket[], by: string): Steps<void> {
  yield 'updateMany';
  for (const { id, token } of tickets) {
    const job = world.jobs.get(id);
    if (job) table.putBack(job, token, job.runAt, { via: 'T2', by });
  }
}

export function* unstart(world: World, { id, token }: Ticket, delayMs: number | null, by: string): Steps<void> {
  const { now } = world;
  yield 'updateOne';
  const job = world.jobs.get(id);
  if (job) table.putBack(job, token, delayMs === null ? job.runAt : now + delayMs, { via: 'T3u', by });
}

/** Which of the tickets passed. */
export function* openGate(world: World, tickets: readonly Ticket[], runKey: string, by: string): Steps<boolean[]> {
  yield 'updateMany';
  for (const job of world.jobs.values()) table.start(world, job, tickets, runKey, by);
  yield 'find';
  const open = new Set<string>();
  for (const job of world.jobs.values()) if (job.runKey === runKey && job.status === 'processing') open.add(job.id);
  return tickets.map(({ id, token }) => open.has(id) && world.jobs.get(id)!.token === token && open.delete(id));
}

export function* beat(world: World, runs: readonly Run[], by: string): Steps<string[]> {
  yield 'updateMany';
  for (const run of runs) if (world.jobs.has(run.id)) table.beat(world, world.jobs.get(run.id)!, run);
  yield 'find';
  const found = runs.map(run => world.read(run.id));
  const answers: string[] = [];
  for (const [index, run] of runs.entries()) {
    const job = found[index];
    if (!job || job.runKey !== run.runKey) answers.push('lost');
    else if (job.status === 'pending') {
      yield 'updateOne';
      const now = world.jobs.get(run.id);
      answers.push(now && table.resume(world, now, run, by) ? 'ok' : 'lost');
    } else if (job.status !== 'processing') answers.push('lost');
    else answers.push(job.isCancelRequested ? 'cancel-requested' : 'ok');
  }
  return answers;
}

export function* isolate(world: World, { id, runKey }: Run): Steps<void> {
  yield 'updateOne';
  const job = world.jobs.get(id);
  if (job?.status === 'processing' && job.runKey === runKey) job.isIsolated = true;
}

export interface End {
  run: Run;
  outcome: Outcome;
}

/** Writes a group, and looks again at each member as long as one was not found. */
export function* record(world: World, ends: readonly End[], by: string): Steps<Recorded[]> {
  const answers: Recorded[] = [];
  let open = ends.map((end, index) => ({ ...end, index }));
  while (open.length > 0) {
    const { now } = world;
    yield 'bulkWrite';
    const writes = open.map(end => writeOutcome(world.jobs.get(end.run.id), end, now, by));
    if (writes.every(written => written !== null)) {
      for (const [at, { index }] of open.entries()) answers[index] = writes[at]!;
      break;
    }
    yield 'find';
    const again: typeof open = [];
    for (const end of open) {
      const settled = settle(world.read(end.run.id), end, by);
      if (settled.status === 'again') again.push({ ...end, outcome: settled.outcome });
      else answers[end.index] = settled;
    }
    open = again;
  }
  return answers;
}

function writeOutcome(job: Job | undefined, { run, outcome }: End, now: number, by: string): Recorded | null {
  const before = job?.history.length;
  if (!job || !applyOutcome(job, run, outcome, now, by)) return null;
  const { via, to } = job.history[before!]!;
  return { status: 'recorded', as: to, via } as Recorded;
}

function applyOutcome(job: Job, run: Run, outcome: Outcome, now: number, by: string): boolean {
  switch (outcome.kind) {
    case 'completed':
      return table.complete(job, run, outcome.late ?? false, by);
    case 'retry':
      return table.leave(job, run, {
        via: 'T6',
        by,
        runAt: now + outcome.delayMs,
        error: outcome.error.name,
        counts: 'failures',
      });
    case 'failed':
      return table.fail(job, run, { via: 'T7', by, error: outcome.error.name, counts: 'failures' });
    case 'cancelled':
      return table.cancelRun(job, run, outcome.error?.name, by);
    case 'handed-back':
      return table.leave(job, run, { via: 'T9', by, runAt: outcome.delayMs === 0 ? job.runAt : now + outcome.delayMs });
    case 'child-died': {
      const how = { via: 'T10', by, error: outcome.error.name, counts: 'crashes' } as const;
      return outcome.poisoned
        ? table.fail(job, run, how)
        : table.leave(job, run, { ...how, runAt: now + outcome.delayMs });
    }
  }
}

/** What an outcome becomes whose write did not find its run. */
function settle(job: Job | null, { run, outcome }: End, by: string): Recorded | { status: 'again'; outcome: Outcome } {
  if (!job) return { status: 'lost' };
  const isOurs = job.runKey === run.runKey;
  if (isOurs && job.status === 'processing') {
    if (outcome.kind === 'completed') return { status: 'again', outcome: { ...outcome, late: false } };
    const error = 'error' in outcome && outcome.error ? { error: outcome.error } : {};
    if (job.isCancelRequested) return { status: 'again', outcome: { kind: 'cancelled', ...error } };
    if (outcome.kind === 'cancelled') return { status: 'again', outcome: { kind: 'handed-back', delayMs: 0 } };
    return { status: 'again', outcome };
  }
  const last = job.history.findLast(entry => entry.runKey === run.runKey && entry.to !== 'processing');
  if (last?.by === by && OUTCOMES.has(last.via)) return { status: 'recorded', as: last.to, via: last.via } as Recorded;
  if (isOurs && job.status === 'pending' && outcome.kind === 'completed') {
    return { status: 'again', outcome: { ...outcome, late: true } };
  }
  return { status: 'lost' };
}
