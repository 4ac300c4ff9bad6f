import { expect, it } from 'vitest';
import type { PostRecord } from '../../bench/chaos/oracle/evidence.ts';
import { postErrors } from '../../bench/chaos/oracle/post-errors.ts';

const post = (at: number, status: number | null, client = 1, key = `k${at}`): PostRecord => ({
  key,
  client,
  at,
  ms: 5,
  status,
  id: status === 202 ? `job-${key}` : null,
});

it('counts no error where the other API took the post', () => {
  expect(postErrors([post(1, 202), post(2, null), post(3, 202), post(4, null), post(5, 200)], 2)).toEqual({
    errors: 0,
    elsewhere: 2,
  });
});

it('counts what none of them took, and whatever else was answered', () => {
  expect(postErrors([post(1, null), post(2, null), post(3, 202)], 2)).toEqual({ errors: 1, elsewhere: 1 });
  expect(postErrors([post(1, 503), post(2, 202)], 2)).toEqual({ errors: 1, elsewhere: 0 });
});

it('tells clients apart, and takes a bulk post for one', () => {
  const bulk = [post(1, null, 1, 'a'), post(1, null, 1, 'b'), post(1, null, 2, 'c'), post(2, 202, 1), post(2, 202, 2)];
  expect(postErrors(bulk, 2)).toEqual({ errors: 0, elsewhere: 2 });
});
