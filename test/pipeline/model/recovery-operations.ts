import type { JobStatus } from '../../../src/pipeline/store/job-document.ts';
import type { Job, World } from './job.ts';
import type { Steps } from './operations.ts';
import * as table from './transitions.ts';

/** What a sweeper saw, as copies: it acts on them later. */
export function* findExpired(world: World): Steps<Job[]> {
  yield 'find';
  const isHeld = (job: Job): boolean => job.status === 'queued' || job.status === 'processing';
  return [...world.jobs.values()].filter(job => isHeld(job) && job.isOver).map(job => ({ ...job }));
}

export type Place = 'gone' | 'waiting' | 'active';
const MOST_QUEUED_REFRESHES = 3;

/** Answers how many of the jobs were as the sweeper had seen them. */
export function* sweepQueued(world: World, entries: readonly { seen: Job; place: Place }[], by: string): Steps<number> {
  yield 'bulkWrite';
  const matched = entries.filter(({ seen, place }) => {
    const job = world.jobs.get(seen.id);
    if (!job) return false;
    const isKept = place === 'waiting' || (place === 'active' && seen.queuedRefreshes < MOST_QUEUED_REFRESHES);
    return isKept ? table.refresh(world, job, seen, place === 'active') : table.release(job, seen, by);
  });
  return matched.length;
}

export function* suspect(world: World, seen: Job): Steps<boolean> {
  yield 'updateOne';
  const job = world.jobs.get(seen.id);
  return job !== undefined && table.suspect(world, job, seen);
}

export function* rescue(world: World, seen: Job, by: string): Steps<JobStatus | null> {
  yield 'updateOne';
  const job = world.jobs.get(seen.id);
  if (job && table.rescueCancelled(job, seen, by)) return 'cancelled';
  const { now } = world;
  yield 'updateOne';
  const still = world.jobs.get(seen.id);
  return still ? table.rescue(still, seen, now, by) : null;
}

/** Answers how many failed. */
export function* expireUnstarted(world: World, by: string): Steps<number> {
  const { now } = world;
  yield 'find';
  const due = [...world.jobs.values()]
    .filter(
      ({ status, startBy }) => (status === 'pending' || status === 'queued') && startBy !== null && startBy <= now,
    )
    .sort((a, b) => a.startBy! - b.startBy!)
    .map(({ id, status }) => ({ id, status }));
  let expired = 0;
  for (const { id, status } of due) {
    yield 'updateOne';
    const job = world.jobs.get(id);
    if (job && table.expire(job, status, now, by)) expired += 1;
  }
  return expired;
}
