import { alwaysOk } from '../job/job-plan.ts';
import { stopWorkers } from '../world/faults.ts';
import { type LoadRound, loadRound } from './load-round.ts';
import { atLeast, exactly } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

const STOPS = 50;

const load = {
  row: 'F2',
  profile: 'test',
  mix: alwaysOk({ fromMs: 200, toMs: 600 }),
  clients: 4,
  workers: 3,
  concurrency: 10,
  // Two thirds of what two of three workers get through: jobs that were taken back run at once.
  pace: { perSecond: 30 },
  warmUpMs: 3_000,
  limitMs: 20 * 60_000,
} satisfies Partial<LoadRound>;

/** SIGSTOP of a random worker that has runs: below the lease nobody takes notice, beyond it its results come too late. */
export const STOP_SCENARIOS: readonly Scenario[] = [
  loadRound({
    ...load,
    name: 'F2 below the lease',
    title: `SIGSTOP of a worker for 1.5 s, ${STOPS}×; the lease is 2 s`,
    target: 'no extra run, no rescue',
    faults: [stopWorkers({ everyMs: 3_000, forMs: 1_500, times: STOPS })],
    measures: ({ figures, scale }) => [
      atLeast('stops', figures.stops, scaled(STOPS, scale)),
      exactly('D', figures.duplicates, 0),
      exactly('rescues', figures.rescues, 0),
    ],
  }),
  loadRound({
    ...load,
    name: 'F2 beyond the lease',
    title: `SIGSTOP of a worker for 6 s, ${STOPS}×; the lease is 2 s`,
    target: 'results that come too late are refused',
    faults: [stopWorkers({ everyMs: 9_000, forMs: 6_000, firstMs: 1_000, times: STOPS })],
    measures: ({ figures, scale }) => [
      atLeast('stops', figures.stops, scaled(STOPS, scale)),
      atLeast('late results refused', figures.lateRefused, 1),
    ],
  }),
];
