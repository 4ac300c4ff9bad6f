import { backoffMs } from '../../../src/platform/backoff.ts';
import { type Casebook, outcomeOf, runsOf } from './evidence.ts';
import { isAccepted } from './posting.ts';

/**
 * By how many milliseconds each run missed the time that it was due: less than 0 is too early. A first run is due its delay
 * after the post that stored it; one after a failure its backoff after the end of the failed one. When within the post, or
 * how soon after the end, that was reckoned nobody outside knows: anything between counts as on time.
 */
export function runAtErrors(casebook: Casebook): number[] {
  const stored = new Map(casebook.posts.filter(isAccepted).map(post => [post.id, post]));
  return casebook.jobs.flatMap(job => {
    const plan = casebook.plans.get(job.key ?? '');
    const post = stored.get(job.id);
    if (!plan || !post) return [];
    const runs = runsOf(casebook, job.id);
    return runs.map((run, index) => {
      const before = runs[index - 1];
      if (!before) return missed(run.startedAt, post.at + plan.delayMs, post.ms);
      const hasFailed = outcomeOf(job, before.runKey)?.via === 'T6';
      const waitMs = hasFailed ? backoffMs(plan.retry, run.attempt - 1) : 0;
      return missed(run.startedAt, (before.end?.at ?? before.startedAt) + waitMs, 0);
    });
  });
}

function missed(at: number, from: number, withinMs: number): number {
  if (at < from) return at - from;
  return Math.max(0, at - from - withinMs);
}
