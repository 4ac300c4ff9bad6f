import type { Scenario } from './scenario.ts';
import { shortStorm } from './storm.ts';

/**
 * A row with so few of its faults that the test suite has time for it. It runs in the production profile: beside other tests
 * a machine stalls for longer than a lease of the test profile, and what D = 0 asks would be a matter of luck.
 */
function shortened(scenario: Scenario, scale: number): Scenario {
  return { ...scenario, play: stage => scenario.play({ ...stage, scale, profile: 'production' }) };
}

/** Of these rows, by name: the share of their faults. */
const SHARES: Readonly<Record<string, number>> = {
  F7: 0.05,
  'F9 cut': 0.05,
  'F9 lost replies': 0.04,
  F16: 0.05,
  F25: 0.1,
};

/** The storm (workers and Redis) and rows for what it leaves alone: three minutes in all at most. */
export function shortForms(scenarios: readonly Scenario[]): Scenario[] {
  return [
    shortStorm,
    ...scenarios.flatMap(scenario => {
      const share = SHARES[scenario.name];
      return share === undefined ? [] : [shortened(scenario, share)];
    }),
  ];
}
