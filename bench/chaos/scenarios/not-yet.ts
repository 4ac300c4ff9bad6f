import type { Scenario } from './scenario.ts';

/** A row of something that does not exist yet: it says what it waits for. */
function notYet(row: Pick<Scenario, 'name' | 'title' | 'target'>, needs: string): Scenario {
  const missing = `needs ${needs}`;
  return { ...row, row: row.name, missing: () => missing, play: () => Promise.reject(new Error(missing)) };
}

export const NOT_YET: readonly Scenario[] = [
  notYet(
    { name: 'F18', title: '3 schedulers, kills, skewed clocks, 1,000 slots', target: 'one job per slot' },
    'the scheduler',
  ),
  notYet(
    { name: 'F19', title: 'webhook receiver answers 500, hangs, resets', target: '≥ 1 delivery each' },
    'webhooks',
  ),
];
