import { alwaysOk } from '../job/job-plan.ts';
import { killWorkers } from '../world/faults.ts';
import type { Profile } from '../world/profiles.ts';
import { loadRound } from './load-round.ts';
import { atLeast, atMost } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

const KILLS = 200;

/** A kill -9 of a random worker at random instants; jobs of the victim run again within `healMs`. */
function kills(options: { name: string; profile: Profile; everyMs: number; healMs: number }): Scenario {
  const { name, profile, everyMs, healMs } = options;
  return loadRound({
    name,
    row: 'F1',
    title: `kill -9 of a worker at random instants, ${KILLS}×, ${profile} profile`,
    target: `an extra run only after a kill; the victim's jobs run again ≤ ${healMs / 1_000} s after it (p99)`,
    profile,
    mix: alwaysOk({ fromMs: 200, toMs: 1_000 }),
    clients: 4,
    workers: 3,
    concurrency: 10,
    pace: { perSecond: 30 },
    warmUpMs: 3_000,
    faults: [killWorkers({ everyMs, times: KILLS, jitter: 0.5, atWork: 3 })],
    measures: ({ figures, scale }) => [
      atLeast('kills', figures.kills, scaled(KILLS, scale)),
      atLeast('jobs on victims', figures.recovery.count, scaled(KILLS, scale)),
      atMost('running again p99', figures.recovery.p99, healMs, 'ms'),
    ],
    limitMs: 40 * 60_000,
  });
}

export const KILL_SCENARIOS: readonly Scenario[] = [
  kills({ name: 'F1', profile: 'production', everyMs: 4_000, healMs: 15_000 }),
  kills({ name: 'F1 test profile', profile: 'test', everyMs: 3_000, healMs: 5_000 }),
];
