import { flushRedis, killWorkers, stopWorkers } from '../world/faults.ts';
import type { Scenario } from './scenario.ts';

/** Workers killed, workers stopped beyond their lease and Redis flushed, all at once and all the time. */
export const storm: Scenario = {
  name: 'storm',
  title: 'kill -9 every 2 s, FLUSHALL every 5 s, SIGSTOP of 6 s every 10 s, all at once',
  jobs: 20_000,
  clients: 4,
  workers: 3,
  concurrency: 20,
  // About as long as it takes to take a stopped worker's jobs back: they run again when it goes on, and its results are late.
  backlog: { seconds: 2.5, least: 200, most: 2_000 },
  faults: [killWorkers(2_000), flushRedis(5_000), stopWorkers({ everyMs: 10_000, forMs: 6_000, firstMs: 3_000 })],
  demands: { kills: 20, flushes: 8, lateRefused: 5 },
  limitMs: 15 * 60_000,
};

/** The same for the test suite: half a minute, two small workers. */
export const shortStorm: Scenario = {
  ...storm,
  title: 'the short form: half a minute of kills, stops and flushes',
  jobs: 600,
  workers: 2,
  concurrency: 4,
  backlog: { seconds: 2, least: 60, most: 150 },
  faults: [killWorkers(6_000), flushRedis(5_000), stopWorkers({ everyMs: 9_000, forMs: 6_000, firstMs: 1_500 })],
  demands: { kills: 2, flushes: 2, stops: 1, lateRefused: 1 },
  limitMs: 55_000,
};
