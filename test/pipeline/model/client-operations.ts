import type { JobStatus } from '../../../src/pipeline/store/job-document.ts';
import { isTerminal } from '../../../src/pipeline/store/job-document.ts';
import type { Job, World } from './job.ts';
import type { Steps } from './operations.ts';
import * as table from './transitions.ts';

/** What a client of the API can ask for: T0, U1 to U3 and U5. */
export type Answer = { status: string; currentStatus?: JobStatus };

const ROUNDS = 3;

export function* submit(world: World, job: Job): Steps<{ status: string; id?: string }> {
  for (let round = 0; round < ROUNDS; round += 1) {
    yield 'insertOne';
    const holder = (): Job | undefined =>
      job.key === null ? undefined : [...world.jobs.values()].find(other => other.key?.name === job.key?.name);
    if (!holder()) {
      world.jobs.set(job.id, job);
      return { status: 'inserted' };
    }
    yield 'findOneAndUpdate';
    const first = holder();
    if (!first) continue;
    first.hits += 1;
    const isSame = first.key?.fingerprint === job.key?.fingerprint;
    return isSame ? { status: 'replayed', id: first.id } : { status: 'conflict' };
  }
  throw new Error('a key changed hands at every try');
}

export function* cancel(world: World, id: string, tenant: string | null, by: string): Steps<Answer> {
  return yield* inRounds(world, id, tenant, function* (seen) {
    if (isTerminal(seen.status)) return { status: 'invalid-state', currentStatus: seen.status };
    for (const from of ['pending', 'queued'] as const) {
      yield 'findOneAndUpdate';
      const job = world.jobs.get(id);
      if (job && table.cancelWaiting(job, from, seen.runSeq, by)) return { status: 'cancelled' };
    }
    yield 'findOneAndUpdate';
    const job = world.jobs.get(id);
    return job && table.requestCancel(job, seen.runSeq, by) ? { status: 'requested' } : null;
  });
}

export function* redrive(world: World, id: string, tenant: string | null, by: string): Steps<Answer> {
  return yield* inRounds(world, id, tenant, function* (seen) {
    if (seen.status !== 'failed' && seen.status !== 'cancelled') {
      return { status: 'invalid-state', currentStatus: seen.status };
    }
    const { now } = world;
    yield 'findOneAndUpdate';
    const job = world.jobs.get(id);
    return job && table.redrive(job, seen.status, seen.runSeq, now, by) ? { status: 'redriven' } : null;
  });
}

function* inRounds(
  world: World,
  id: string,
  tenant: string | null,
  attempt: (seen: Job) => Steps<Answer | null>,
): Steps<Answer> {
  for (let round = 0; ; round += 1) {
    yield 'findOne';
    const seen = world.read(id, tenant);
    if (!seen) return { status: 'not-found' };
    if (round === ROUNDS) return { status: 'invalid-state', currentStatus: seen.status };
    const answer = yield* attempt(seen);
    if (answer) return answer;
  }
}

export function* remove(world: World, id: string, tenant: string | null): Steps<Answer> {
  return yield* inRounds(world, id, tenant, function* (seen) {
    if (seen.status === 'processing') return { status: 'invalid-state', currentStatus: seen.status };
    yield 'findOneAndDelete';
    const job = world.jobs.get(id);
    if (!job || job.status === 'processing') return null;
    world.jobs.delete(id);
    return { status: 'deleted' };
  });
}
