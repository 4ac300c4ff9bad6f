import { apiKills } from './api-kills.ts';
import { claimers } from './claimers.ts';
import { KILL_SCENARIOS } from './kills.ts';
import { operations } from './operations.ts';
import type { Scenario } from './scenario.ts';
import { STOP_SCENARIOS } from './stops.ts';
import { shortStorm, storm } from './storm.ts';

/** Every scenario, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  storm,
  ...KILL_SCENARIOS,
  ...STOP_SCENARIOS,
  apiKills,
  claimers,
  operations,
];

/** Their short forms, for the test suite. */
export const SHORT_SCENARIOS: readonly Scenario[] = [shortStorm];

/** Scenarios of a name or of a row. */
export function scenariosCalled(name: string, among: readonly Scenario[]): Scenario[] {
  return among.filter(scenario => scenario.name === name || scenario.row === name);
}
