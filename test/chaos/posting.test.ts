import { describe, expect, it } from 'vitest';
import type { FaultRecord, Outage, PostRecord } from '../../bench/chaos/oracle/evidence.ts';
import { cutByKills, foundStored, longestWriteGapMs, refusedIn } from '../../bench/chaos/oracle/posting.ts';

const post = (key: string, at: number, ms: number, status: number | null, client = 1): PostRecord => ({
  key,
  client,
  at,
  ms,
  status,
  id: status === 202 || status === 200 ? `job-${key}` : null,
});
const kill = (at: number): FaultRecord => ({ kind: 'kill', worker: 'api1', at });

describe('posts that a kill cut short', () => {
  it('were under way at it and got no answer', () => {
    const posts = [post('a', 0, 10, null), post('b', 1, 10, 202, 2), post('c', 20, 10, null), post('d', 6, 4, null, 3)];
    expect(cutByKills({ posts, faults: [kill(5)] }).map(({ key }) => key)).toEqual(['a']);
  });

  it('count once, however many jobs they carried', () => {
    expect(cutByKills({ posts: [post('a', 0, 10, null), post('b', 0, 10, null)], faults: [kill(5)] })).toHaveLength(1);
  });
});

it('a job was stored unanswered when the first answer to its key is a replay', () => {
  const posts = [post('a', 0, 1, null), post('a', 2, 1, 200), post('b', 0, 1, 202), post('b', 3, 1, 200)];
  expect(foundStored(posts)).toBe(1);
});

describe('an outage', () => {
  const outage: Outage = { kind: 'outage', of: 'mongo', how: 'away', at: 10, until: 20, outlastsLease: false };

  it('refused the requests that were under way in it and not accepted', () => {
    const posts = [post('a', 5, 4, 503), post('b', 8, 4, 503), post('c', 12, 4, 202), post('d', 19, 9, null)];
    expect(refusedIn(outage, [...posts, post('e', 20, 1, 503)]).map(({ key }) => key)).toEqual(['b', 'd']);
  });

  it('makes a gap from the last accepted post before it to the first after it', () => {
    const posts = [post('a', 0, 4, 202), post('b', 5, 4, 202), post('c', 12, 20, 503), post('d', 33, 2, 200)];
    expect(longestWriteGapMs({ posts, faults: [outage] })).toBe(26);
  });

  it('has nothing to do with gaps before it', () => {
    const posts = [post('a', -90, 4, 202), post('b', 5, 4, 202), post('c', 11, 1, 202)];
    expect(longestWriteGapMs({ posts, faults: [outage] })).toBe(3);
  });
});
