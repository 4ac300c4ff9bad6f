import { expect, it } from 'vitest';
import { untilWritten } from '../../src/platform/until-written.ts';

it('repeats what fails, tells each fault, and gives the first answer', async () => {
  const faults: unknown[] = [];
  let tries = 0;
  const write = () => {
    tries += 1;
    return tries < 4 ? Promise.reject(new Error(`away ${tries}`)) : Promise.resolve(`written at ${tries}`);
  };
  const begunAt = performance.now();
  await expect(untilWritten(write, error => faults.push(error))).resolves.toBe('written at 4');
  expect(faults.map(String)).toEqual(['Error: away 1', 'Error: away 2', 'Error: away 3']);
  // 50 + 100 + 200 ms; a timer may be a millisecond early.
  expect(performance.now() - begunAt).toBeGreaterThanOrEqual(345);
});
