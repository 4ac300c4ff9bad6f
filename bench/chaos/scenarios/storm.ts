import { endless, flushRedis, killWorkers, stopWorkers } from '../world/faults.ts';
import { type LoadRound, loadRound } from './load-round.ts';
import { atLeast } from './measures.ts';
import type { Scenario } from './scenario.ts';

const round: LoadRound = {
  name: 'storm',
  row: 'storm',
  title: 'kill -9 every 2 s, FLUSHALL every 5 s, SIGSTOP of 6 s every 10 s, all at once',
  target: 'the invariants; results that come too late are refused',
  jobs: 20_000,
  clients: 4,
  workers: 3,
  concurrency: 20,
  // About as long as it takes to take a stopped worker's jobs back: they run again when it goes on, and its results are late.
  pace: { backlogSeconds: 2.5, least: 200, most: 2_000 },
  faults: [
    killWorkers({ everyMs: 2_000, times: endless }),
    flushRedis({ everyMs: 5_000, times: endless }),
    stopWorkers({ everyMs: 10_000, forMs: 6_000, firstMs: 3_000, times: endless }),
  ],
  measures: ({ figures, scale }) => [
    atLeast('kills', figures.kills, Math.floor(20 * Math.min(1, scale))),
    atLeast('flushes', figures.flushes, Math.floor(8 * Math.min(1, scale))),
    atLeast('late results refused', figures.lateRefused, Math.floor(5 * Math.min(1, scale))),
  ],
  limitMs: 15 * 60_000,
};

/** Workers killed, workers stopped beyond their lease and Redis flushed, all at once and all the time. */
export const storm: Scenario = loadRound(round);

/** The same for the test suite: half a minute, two small workers. */
export const shortStorm: Scenario = loadRound({
  ...round,
  title: 'the short form: half a minute of kills, stops and flushes',
  jobs: 600,
  workers: 2,
  concurrency: 4,
  pace: { backlogSeconds: 2, least: 60, most: 150 },
  faults: [
    killWorkers({ everyMs: 6_000, times: endless }),
    flushRedis({ everyMs: 5_000, times: endless }),
    stopWorkers({ everyMs: 9_000, forMs: 6_000, firstMs: 1_500, times: endless }),
  ],
  measures: ({ figures }) => [
    atLeast('kills', figures.kills, 2),
    atLeast('flushes', figures.flushes, 2),
    atLeast('stops', figures.stops, 1),
    atLeast('late results refused', figures.lateRefused, 1),
  ],
  limitMs: 180_000,
});
