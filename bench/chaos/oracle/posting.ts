import type { Evidence, PostRecord } from './evidence.ts';

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
