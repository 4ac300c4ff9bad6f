import { alwaysOk } from '../job/job-plan.ts';
import type { FaultRecord } from '../oracle/evidence.ts';
import { failCommands, slowMongo } from '../world/ledger-faults.ts';
import { breakLinks, cutOff, loseReplies } from '../world/link-faults.ts';
import { loadRound } from './load-round.ts';
import { atLeast, exactly, told } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

const load = {
  row: 'F9',
  mix: alwaysOk({ fromMs: 100, toMs: 1_000 }),
  clients: 4,
  largestBulk: 5,
  workers: 3,
  concurrency: 10,
  pace: { perSecond: 25 },
  warmUpMs: 2_000,
  afterMs: 2_000,
  servers: { proxied: true },
  limitMs: 30 * 60_000,
} as const;

/** Less than a lease of the test profile. */
const SHORT_MS = 1_500;
/** More than a lease, a grace and a sweep of it. */
const LONG_MS = 6_000;
const NO_EXTRA = 'D = 0';

/** All links to MongoDB and to Redis, in turn. */
function broken(how: 'cut' | 'refuse' | 'blackhole', title: string, rhythm: { everyMs: number; times: number }) {
  return loadRound({
    ...load,
    name: `F9 ${how}`,
    title: `all connections to MongoDB, then to Redis, ${title}, ${rhythm.times}×`,
    target: NO_EXTRA,
    faults: [breakLinks({ ...rhythm, jitter: 0.3, how, forMs: how === 'cut' ? 0 : SHORT_MS })],
    measures: ({ figures, scale }) => [
      atLeast('breaks', figures.outages, scaled(rhythm.times, scale)),
      exactly('D', figures.duplicates, 0),
    ],
  });
}

/** One worker reaches MongoDB on a way of its own, which lets no byte through. */
function workerCutOff(options: { name: string; forMs: number; isLong: boolean; everyMs: number; times: number }) {
  const { name, forMs, isLong, everyMs, times } = options;
  return loadRound({
    ...load,
    name,
    title: `one worker alone does not reach MongoDB for ${forMs / 1_000} s, ${isLong ? 'more' : 'less'} than its lease, ${times}×`,
    target: isLong ? 'D ≤ its slots each time' : NO_EXTRA,
    mix: alwaysOk({ fromMs: 500, toMs: 3_000 }),
    pace: { perSecond: 12 },
    workerEnv: (number, { servers }) => (number === 1 ? { MONGO_URI: servers.asideUri } : {}),
    faults: [cutOff({ everyMs, times, worker: 'worker1', forMs, outlastsLease: isLong })],
    measures: ({ figures, scale }) => [
      atLeast('cuts', figures.outages, scaled(times, scale)),
      // The upper bound for a long cut is the oracle's (I6).
      isLong ? atLeast('D', figures.duplicates, 1) : exactly('D', figures.duplicates, 0),
      told('rescues', figures.rescues),
    ],
  });
}

const LOST_REPLIES = 150;

const lostReplies: Scenario = loadRound({
  ...load,
  name: 'F9 lost replies',
  title: `MongoDB carries out a claim, a gate or a finish and its reply is lost, ${LOST_REPLIES}× in all`,
  target: NO_EXTRA,
  faults: [loseReplies({ everyMs: 1_000, times: LOST_REPLIES, jitter: 0.3 })],
  measures: ({ casebook, figures, scale }) => [
    ...['claim', 'gate', 'finish'].map(step =>
      atLeast(`replies lost: ${step}`, hits(casebook.faults, step), Math.floor(scaled(LOST_REPLIES, scale) / 3)),
    ),
    exactly('D', figures.duplicates, 0),
  ],
});

const FAILURES = 150;

const injectedErrors: Scenario = loadRound({
  ...load,
  name: 'F9 errors',
  title: `commands of workers and API fail: NotWritablePrimary, WriteConflict, a closed connection, ${FAILURES}×`,
  target: NO_EXTRA,
  servers: { mongoArgs: [] },
  faults: [failCommands({ everyMs: 1_200, times: FAILURES })],
  measures: ({ casebook, figures, scale }) => [
    atLeast('commands that failed', hits(casebook.faults, ''), scaled(FAILURES, scale)),
    exactly('D', figures.duplicates, 0),
  ],
});

/** How often outages were met whose description ends so. */
function hits(faults: readonly FaultRecord[], how: string): number {
  const met = faults.map(fault => (fault.kind === 'outage' && fault.how.endsWith(how) ? (fault.hits ?? 0) : 0));
  return met.reduce((sum, count) => sum + count, 0);
}

const SLOW_TIMES = 8;
const SLOW_MS = 20_000;

/** Jobs that outlast a lease many times: each of them lives by its beats. */
function slow(name: string, ms: number): Scenario {
  return loadRound({
    ...load,
    name,
    row: 'F11',
    title: `production profile: each reply of MongoDB comes ${ms} ms late, for ${SLOW_MS / 1_000} s, ${SLOW_TIMES}×`,
    target: 'no false rescue',
    profile: 'production',
    mix: alwaysOk({ fromMs: 1_000, toMs: 14_000 }),
    pace: { perSecond: 3 },
    faults: [slowMongo({ everyMs: 25_000, times: SLOW_TIMES, ms, forMs: SLOW_MS })],
    measures: ({ figures, scale }) => [
      atLeast('slow times', figures.outages, scaled(SLOW_TIMES, scale)),
      exactly('rescues', figures.rescues, 0),
      exactly('D', figures.duplicates, 0),
    ],
  });
}

export const LINK_SCENARIOS: readonly Scenario[] = [
  broken('cut', 'are reset', { everyMs: 1_500, times: 100 }),
  broken('refuse', `are reset and refused for ${SHORT_MS} ms`, { everyMs: 5_000, times: 40 }),
  broken('blackhole', `let no byte through for ${SHORT_MS} ms`, { everyMs: 5_000, times: 40 }),
  workerCutOff({ name: 'F9 cut off shortly', forMs: SHORT_MS, isLong: false, everyMs: 4_000, times: 40 }),
  workerCutOff({ name: 'F9 cut off', forMs: LONG_MS, isLong: true, everyMs: 12_000, times: 20 }),
  lostReplies,
  injectedErrors,
  slow('F11', 200),
  slow('F11 2 s', 2_000),
];
