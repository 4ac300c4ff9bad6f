import { BSON } from 'bson';
import { expect, it } from 'vitest';
import { isWriteOf } from '../../bench/chaos/world/link-faults.ts';

it('a write is known by the transition in the history entry that it pushes', () => {
  const write = (via: string) =>
    Buffer.from(BSON.serialize({ update: 'jobs', u: { $push: { history: { $each: [{ from: 'queued', via }] } } } }));
  expect(isWriteOf(write('T3'), ['T3'])).toBe(true);
  expect(isWriteOf(write('T6'), ['T5', 'T6'])).toBe(true);
  expect(isWriteOf(write('T5s'), ['T5'])).toBe(false);
  expect(isWriteOf(write('T3u'), ['T3'])).toBe(false);
  expect(isWriteOf(Buffer.from(BSON.serialize({ note: 'via T3' })), ['T3'])).toBe(false);
});
