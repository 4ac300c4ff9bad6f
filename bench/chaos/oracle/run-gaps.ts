import type { Casebook } from './evidence.ts';

/** The longest time in which a worker started nothing although a job waited that another start took up later. Pure. */
export function longestGap({ runs, posts }: Pick<Casebook, 'runs' | 'posts'>): number {
  const acceptedAt = new Map(posts.map(post => [post.key, post.at + post.ms]));
  const lastStart = new Map<string, number>();
  let longest = 0;
  for (const { worker, startedAt, key } of [...runs].sort((a, b) => a.startedAt - b.startedAt)) {
    const since = Math.max(lastStart.get(worker) ?? startedAt, acceptedAt.get(key) ?? startedAt);
    longest = Math.max(longest, startedAt - since);
    lastStart.set(worker, startedAt);
  }
  return longest;
}
