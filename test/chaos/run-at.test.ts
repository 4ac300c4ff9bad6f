import { expect, it } from 'vitest';
import { openCasebook } from '../../bench/chaos/oracle/evidence.ts';
import { runAtErrors } from '../../bench/chaos/oracle/run-at.ts';
import { type Draft, run, soundEvidence } from './fabricate.ts';

/** Of job `b`, posted at 0 in 5 ms: it fails once, waits 300 ms, and runs again. */
function errors(first: number, second: number): number[] {
  const draft: Draft = soundEvidence();
  const retry = { strategy: 'fixed', delayMs: 300 } as const;
  draft.plans.set('b', { ...draft.plans.get('b')!, delayMs: 1_000, retry });
  const runs = [run('b', 'b1', 'worker3', first, first + 100, 'fail'), run('b', 'b2', 'worker3', second, second + 100)];
  draft.runs = runs.map((one, index) => ({ ...one, attempt: index + 1 }));
  return runAtErrors(openCasebook(draft));
}

it('runs at their time have no error, wherever in the post it was reckoned', () => {
  expect(errors(1_000, 1_400)).toEqual([0, 0]);
  expect(errors(1_005, 1_405)).toEqual([0, 0]);
});

it('too early is less than 0, too late is more', () => {
  expect(errors(900, 1_250)).toEqual([-100, -50]);
  expect(errors(1_105, 1_600)).toEqual([100, 95]);
});
