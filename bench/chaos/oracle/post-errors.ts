import type { PostRecord } from './evidence.ts';
import { requestsOf } from './posting.ts';

/** What the posts of a round met; a bulk post counts once. */
export interface PostErrors {
  /** Answered with something else than the job, or given up by as many APIs in a row as there are. */
  errors: number;
  /** Found the port closed or lost its connection; the client went to the other API. */
  elsewhere: number;
}

/** Pure. `apis`: how many there are to go to. */
export function postErrors(posts: readonly PostRecord[], apis: number): PostErrors {
  const found: PostErrors = { errors: 0, elsewhere: 0 };
  const unansweredInARow = new Map<number, number>();
  for (const { client, status } of requestsOf(posts)) {
    const before = unansweredInARow.get(client) ?? 0;
    unansweredInARow.set(client, status === null ? before + 1 : 0);
    if (status !== null && status >= 300) found.errors += 1;
    if (status !== null) continue;
    if (before + 1 >= apis) found.errors += 1;
    else found.elsewhere += 1;
  }
  return found;
}
