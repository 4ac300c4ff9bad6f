import type { Evidence, Outage, PostRecord } from './evidence.ts';

/** What became of posts, as their clients saw it. */
type Posting = Pick<Evidence, 'posts' | 'faults'>;

/** Whether the answer names a job: stored now (202), or found stored by an earlier try (200). */
export function isAccepted({ status }: PostRecord): boolean {
  return status === 202 || status === 200;
}

/** Requests that got no answer although an API was there a moment before: it was killed meanwhile. */
export function cutByKills({ posts, faults }: Posting): PostRecord[] {
  const kills = faults.filter(fault => fault.kind === 'kill');
  return requestsOf(posts).filter(
    ({ status, at, ms }) => status === null && kills.some(kill => at <= kill.at && kill.at <= at + ms),
  );
}

/** Requests that were under way in an outage and were not accepted. */
export function refusedIn({ at, until }: Outage, posts: readonly PostRecord[]): PostRecord[] {
  return requestsOf(posts).filter(post => post.at < until && post.at + post.ms > at && !isAccepted(post));
}

/** The longest time without an accepted post, from the first outage to the last answer. */
export function longestWriteGapMs({ posts, faults }: Posting): number {
  const from = Math.min(...faults.filter(fault => fault.kind === 'outage').map(fault => fault.at));
  const answered = posts
    .filter(isAccepted)
    .map(({ at, ms }) => at + ms)
    .sort((a, b) => a - b);
  return answered.reduce((gap, at, index) => (at < from ? gap : Math.max(gap, at - (answered[index - 1] ?? from))), 0);
}

/** Jobs that a request stored without being answered: the same key found them later. */
export function foundStored(posts: readonly PostRecord[]): number {
  const firstAnswers = new Map<string, PostRecord>();
  for (const post of posts) if (isAccepted(post) && !firstAnswers.has(post.key)) firstAnswers.set(post.key, post);
  return [...firstAnswers.values()].filter(({ status }) => status === 200).length;
}

/** One record a request: a bulk post leaves one for each of its jobs. */
export function requestsOf(posts: readonly PostRecord[]): PostRecord[] {
  return [...new Map(posts.map(post => [`${post.client} ${post.at}`, post])).values()];
}
