import { apiKills } from './api-kills.ts';
import { claimers } from './claimers.ts';
import { wrongClocks } from './clocks.ts';
import { finishedJobs } from './finished-jobs.ts';
import { HANDLER_SCENARIOS } from './handlers.ts';
import { KILL_SCENARIOS } from './kills.ts';
import { LEDGER_OUTAGES } from './ledger-outages.ts';
import { LINK_SCENARIOS } from './links.ts';
import { MUTANT_TRAPS } from './mutant-traps.ts';
import { NOT_YET } from './not-yet.ts';
import { operations } from './operations.ts';
import { REDIS_SCENARIOS } from './redis.ts';
import { RESTART_SCENARIOS } from './restarts.ts';
import type { Scenario } from './scenario.ts';
import { shortForms } from './short-forms.ts';
import { soaking } from './soak.ts';
import { STOPPING_SCENARIOS } from './stopping.ts';
import { STOP_SCENARIOS } from './stops.ts';
import { storm } from './storm.ts';

/** Every scenario, in the order of its row; storms come first, the traps of mutants last. */
export const SCENARIOS: readonly Scenario[] = [
  storm,
  ...KILL_SCENARIOS,
  ...STOP_SCENARIOS,
  ...REDIS_SCENARIOS,
  ...LEDGER_OUTAGES,
  ...LINK_SCENARIOS,
  wrongClocks,
  ...HANDLER_SCENARIOS,
  ...STOPPING_SCENARIOS,
  ...RESTART_SCENARIOS,
  ...NOT_YET,
  apiKills,
  finishedJobs,
  claimers,
  soaking,
  operations,
]
  .sort((one, other) => numberOf(one) - numberOf(other))
  .concat(MUTANT_TRAPS);

function numberOf({ row }: Scenario): number {
  return Number(/^F(\d+)$/.exec(row)?.[1] ?? 0);
}

/** Short forms of some, for the test suite. */
export const SHORT_SCENARIOS: readonly Scenario[] = shortForms(SCENARIOS);

/** Scenarios of a name or of a row. */
export function scenariosCalled(name: string, among: readonly Scenario[]): Scenario[] {
  return among.filter(scenario => scenario.name === name || scenario.row === name);
}
