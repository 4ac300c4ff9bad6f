import { alwaysOk } from '../job/job-plan.ts';
import type { Casebook, Outage } from '../oracle/evidence.ts';
import { completionTimes, lastWorkerBegan, perSecond, recoveredAfter } from '../oracle/throughput.ts';
import { afterQuiet, flushRedis } from '../world/faults.ts';
import { fillRedis, restartRedis, takeRedisAway } from '../world/redis-faults.ts';
import { type LoadRound, loadRound } from './load-round.ts';
import { atLeast, atMost, exactly, told } from './measures.ts';
import { type Measure, type Scenario, scaled } from './scenario.ts';

const FLUSHES = 50;
const FLUSH_EVERY_MS = 2_000;
/** Enough for a window to measure in, however small the scale. */
const LEAST_FLUSHES = 10;
const RESTARTS = 20;
const FILLINGS = 10;
const QUIET_MS = 10_000;
const SETTLED_MS = 6_000;
const RECOVERED_SHARE = 0.9;

/** Slots decide about the throughput, not processors, and a backlog keeps them busy: so a lost moment is a lost job. */
const load = {
  mix: alwaysOk({ fromMs: 300, toMs: 500 }),
  clients: 4,
  workers: 2,
  concurrency: 10,
  pace: { backlogSeconds: 4, least: 150, most: 600 },
  afterMs: 5_000,
  limitMs: 20 * 60_000,
} satisfies Partial<LoadRound>;

const flushes: Scenario = loadRound({
  ...load,
  name: 'F3',
  row: 'F3',
  title: `FLUSHALL every 2 s, ${FLUSHES}×`,
  target: 'no extra run; ≥ 90 % of the throughput within 6 s; no worker restarts',
  faults: [afterQuiet(QUIET_MS, flushRedis({ everyMs: FLUSH_EVERY_MS, times: FLUSHES, least: LEAST_FLUSHES }))],
  measures: ({ casebook, figures, scale }) => [
    atLeast('flushes', figures.flushes, scaled(FLUSHES, scale, LEAST_FLUSHES)),
    exactly('D', figures.duplicates, 0),
    ...throughputUnderFlushes(casebook),
    exactly('worker restarts', casebook.processes.filter(({ role }) => role === 'worker').length - load.workers, 0),
    consumerRebuilds(casebook),
  ],
});

export function throughputUnderFlushes(casebook: Casebook): Measure[] {
  const flushed = casebook.faults.filter(fault => fault.kind === 'flush').map(({ at }) => at);
  const [first, last] = [Math.min(...flushed), Math.max(...flushed)];
  const times = completionTimes(casebook);
  const quiet = perSecond(times, first - QUIET_MS, first);
  const under = perSecond(times, first + SETTLED_MS, last + FLUSH_EVERY_MS);
  return [
    atLeast('throughput of the quiet one', (under * 100) / quiet, 90, '%'),
    told('jobs/s quiet, flushed', `${quiet.toFixed(1)}, ${under.toFixed(1)}`),
  ];
}

/** Redis dies and comes back with what it kept. */
function restarts(options: { name: string; kept: string; aof: boolean; cutShare?: number }): Scenario {
  const { name, kept, aof, cutShare } = options;
  const rhythm = { everyMs: 8_000, times: RESTARTS, least: 2, awayMs: 1_000 };
  const fault = restartRedis({ ...rhythm, ...(cutShare === undefined ? {} : { cutShare }) });
  return loadRound({
    ...load,
    name,
    row: 'F4',
    title: `kill -9 and restart of Redis, ${kept}, ${RESTARTS}×`,
    target: 'no extra run, everything ends',
    servers: { redisAof: aof },
    faults: [afterQuiet(2_000, fault)],
    measures: ({ casebook, figures, scale }) => [
      atLeast('restarts', figures.outages, scaled(RESTARTS, scale, 2)),
      exactly('D', figures.duplicates, 0),
      told(
        'all workers at work again',
        longest(casebook, until => lastWorkerBegan(casebook, until)),
        's',
      ),
    ],
  });
}

const away: Scenario = loadRound({
  ...load,
  name: 'F5',
  row: 'F5',
  title: 'Redis away for 60 s',
  target:
    'POST is answered 202, p99 < 100 ms; workers are not ready within 10 s; the backlog moves ≤ 10 s after the return',
  profile: 'production',
  largestBulk: 1,
  pace: { perSecond: 20 },
  faults: [afterQuiet(3_000, takeRedisAway({ forMs: 60_000 }))],
  measures: ({ casebook }) => [
    ...outagesOf(casebook).flatMap(outage => [...postsDuring(casebook, outage), unreadyWithin(casebook, outage, 10)]),
    atMost(
      'backlog moves after the return',
      longest(casebook, until => lastWorkerBegan(casebook, until)),
      10,
      's',
    ),
  ],
  stuckMs: 90_000,
});

/** The watchdog took a worker for broken that only had no Redis. */
function consumerRebuilds({ processes }: Casebook): Measure {
  return exactly(
    'consumers rebuilt',
    processes.reduce((sum, { rebuilds = 0 }) => sum + rebuilds, 0),
    0,
  );
}

/** Every answer to a post that was sent while Redis was away. */
export function postsDuring({ posts }: Casebook, { at, until }: Outage): Measure[] {
  const during = posts.filter(post => post.at >= at && post.at < until);
  const times = during.map(({ ms }) => ms).sort((a, b) => a - b);
  const p99 = times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY;
  const refused = during.filter(({ status }) => status !== 202 && status !== 200);
  return [
    told('posts without Redis', during.length),
    exactly('of them not accepted', refused.length, 0),
    atMost('their p99', p99, 100, 'ms'),
  ];
}

export function unreadyWithin(casebook: Casebook, { unready = [] }: Outage, seconds: number): Measure {
  const expected = casebook.processes.filter(({ role }) => role === 'worker').length;
  const times = unready.map(({ afterMs }) => afterMs ?? Number.POSITIVE_INFINITY);
  const slowest = times.length < expected ? Number.POSITIVE_INFINITY : Math.max(...times);
  return atMost('workers not ready after', slowest / 1_000, seconds, 's');
}

const full: Scenario = loadRound({
  ...load,
  name: 'F6',
  row: 'F6',
  title: `Redis at its maxmemory for 15 s, noeviction, ${FILLINGS}×`,
  target: 'recovers ≤ 10 s after memory is raised',
  profile: 'production',
  faults: [afterQuiet(QUIET_MS, fillRedis({ everyMs: 35_000, firstMs: 1, times: FILLINGS, forMs: 15_000 }))],
  measures: ({ casebook, figures }) => {
    const outages = outagesOf(casebook);
    const times = completionTimes(casebook);
    const first = Math.min(...outages.map(({ at }) => at));
    const quiet = perSecond(times, first - QUIET_MS, first);
    const wanted = quiet * RECOVERED_SHARE;
    return [
      exactly('D', figures.duplicates, 0),
      atLeast('commands refused', Math.min(...outages.map(({ hits = 0 }) => hits)), 1),
      atMost(
        '90 % of the throughput after',
        longest(casebook, until => recoveredAfter(times, until, wanted)),
        10,
        's',
      ),
      atMost(
        'all workers at work after',
        longest(casebook, until => lastWorkerBegan(casebook, until)),
        10,
        's',
      ),
      told('jobs/s before, while full', `${quiet.toFixed(1)}, ${whileFull(times, outages).toFixed(1)}`),
    ];
  },
});

function whileFull(times: readonly number[], outages: readonly Outage[]): number {
  const rates = outages.map(({ at, until }) => perSecond(times, at, until));
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

function outagesOf({ faults }: Casebook): Outage[] {
  return faults.filter(fault => fault.kind === 'outage');
}

/** Of all outages, in seconds. */
function longest(casebook: Casebook, afterMs: (until: number) => number): number {
  return Math.max(...outagesOf(casebook).map(({ until }) => afterMs(until))) / 1_000;
}

export const REDIS_SCENARIOS: readonly Scenario[] = [
  flushes,
  restarts({ name: 'F4 nothing kept', kept: 'which keeps nothing', aof: false }),
  restarts({ name: 'F4 append-only file', kept: 'with its append-only file', aof: true }),
  restarts({ name: 'F4 cut file', kept: 'with its append-only file cut by 30 %', aof: true, cutShare: 0.3 }),
  away,
  full,
];
