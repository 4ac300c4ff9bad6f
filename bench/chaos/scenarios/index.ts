import type { Scenario } from './scenario.ts';
import { shortStorm, storm } from './storm.ts';

/** Every scenario, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [storm];

/** Their short forms, for the test suite. */
export const SHORT_SCENARIOS: readonly Scenario[] = [shortStorm];
