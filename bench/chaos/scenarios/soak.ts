import type { Casebook } from '../oracle/evidence.ts';
import { type Trend, trendsSince } from '../oracle/vitals.ts';
import { soak } from '../world/soak-faults.ts';
import { loadRound } from './load-round.ts';
import { atLeast, atMost, told } from './measures.ts';
import type { Measure, Scenario } from './scenario.ts';

const MINUTES = 30;
const WARM_UP_MINUTES = 5;
const MB_PER_MINUTE = 1;
/** Pools of connections, and what clients keep open, are larger at one moment than at another. */
const FLAT_FILES = 10;
const MINUTE_MS = 60_000;

export const soaking: Scenario = loadRound({
  name: 'F23',
  row: 'F23',
  title: `${MINUTES} minutes of random faults: kills, stops, flushes, restarts of Redis, kills of MongoDB, rolling restarts`,
  target: `all invariants; after ${WARM_UP_MINUTES} minutes memory grows < ${MB_PER_MINUTE} MB a minute, file descriptors stay flat`,
  profile: 'production',
  clients: 4,
  apis: 2,
  workers: 4,
  concurrency: 10,
  pace: { perSecond: 20 },
  warmUpMs: 2_000,
  afterMs: 2_000,
  faults: [soak({ forMs: MINUTES * MINUTE_MS, stopMs: 12_000 })],
  vitals: true,
  measures: ({ casebook, figures, scale }) => {
    const trends = trendsAfterWarmUp(casebook, scale);
    const faults = figures.kills + figures.stops + figures.flushes + figures.terms + figures.outages;
    return [
      atLeast('faults', faults, Math.floor(2 * MINUTES * scale)),
      atLeast('APIs that lived through', trends.filter(trend => isApi(trend)).length, 1),
      atLeast('workers that lived through', trends.filter(trend => !isApi(trend)).length, 1),
      ...trends.flatMap(trend => trendMeasures(trend, scale)),
    ];
  },
  limitMs: (MINUTES + 15) * MINUTE_MS,
});

function trendsAfterWarmUp({ vitals = [] }: Casebook, scale: number): Trend[] {
  const begin = vitals[0]?.at ?? 0;
  return trendsSince(vitals, begin + WARM_UP_MINUTES * MINUTE_MS * scale);
}

/** In a short soak a process still fills its heap: there the slope is only told. */
function trendMeasures(trend: Trend, scale: number): Measure[] {
  const { process, memoryMb, memoryMbPerMinute, moreFiles } = trend;
  const grows = `${process} (${Math.round(memoryMb)} MB) grows`;
  return [
    scale < 1
      ? told(grows, memoryMbPerMinute, 'MB/min')
      : { ...atMost(grows, memoryMbPerMinute, MB_PER_MINUTE, 'MB/min'), met: memoryMbPerMinute < MB_PER_MINUTE },
    atMost(`${process} holds more files`, moreFiles, FLAT_FILES),
  ];
}

function isApi({ process }: Trend): boolean {
  return process.startsWith('api');
}
