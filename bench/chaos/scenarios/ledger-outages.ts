import { alwaysOk } from '../job/job-plan.ts';
import type { Outage } from '../oracle/evidence.ts';
import { longestWriteGapMs, refusedIn } from '../oracle/posting.ts';
import { killMongo, killPrimary, rollBack, stepDown } from '../world/ledger-faults.ts';
import { missingMongod } from '../world/replica-set.ts';
import { type LoadRound, loadRound } from './load-round.ts';
import { atLeast, atMost, exactly, told } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

type Measures = NonNullable<LoadRound['measures']>;

const REFUSED_WITHIN_MS = 6_000;
const WRITE_GAP_MS = 12_000;
const EXTRA_PER_EVENT = 5;

/** Jobs that are under way in every outage, and clients that post all the time. */
const load = {
  mix: alwaysOk({ fromMs: 200, toMs: 1_500 }),
  clients: 4,
  largestBulk: 5,
  workers: 3,
  concurrency: 10,
  pace: { perSecond: 15 },
  warmUpMs: 2_000,
  limitMs: 30 * 60_000,
} as const;

/** MongoDB is killed and stays away: whoever posts is told so in time. */
function away(options: { name: string; awayMs: number; everyMs: number; times: number }): Scenario {
  const { name, awayMs, everyMs, times } = options;
  return loadRound({
    ...load,
    name,
    row: 'F7',
    title: `kill -9 of MongoDB, back after ${awayMs / 1_000} s, ${times}×`,
    target: 'every 202 present afterwards; POST → 503 within 6 s; D = 0',
    faults: [killMongo({ everyMs, times, jitter: 0.2, firstMs: 2_000, awayMs })],
    afterMs: 2_000,
    measures: ({ casebook, figures, scale }) => {
      const outages = casebook.faults.filter((fault): fault is Outage => fault.kind === 'outage');
      const refused = outages.map(outage => refusedIn(outage, casebook.posts));
      const longest = Math.max(0, ...refused.flat().map(({ ms }) => ms));
      return [
        atLeast('outages', outages.length, scaled(times, scale)),
        atLeast('of them with a POST refused', refused.filter(posts => posts.length > 0).length, outages.length),
        atMost('POST refused within', Math.round(longest), REFUSED_WITHIN_MS, 'ms'),
        exactly('D', figures.duplicates, 0),
      ];
    },
  });
}

const LOSING_KILLS = 60;

/** Writes that were acknowledged by one node only are gone after the kill: claims, beats, hand-backs. */
const lostWrites: Scenario = loadRound({
  ...load,
  name: 'F7 w1 lost',
  row: 'F7',
  title: `kill -9 of MongoDB, ${LOSING_KILLS}×, each loses the w:1 writes of up to 100 ms`,
  target: 'nothing accepted is lost; D = 0',
  mix: alwaysOk({ fromMs: 50, toMs: 800 }),
  pace: { perSecond: 40 },
  servers: { mongoArgs: ['--hold-w1-ms', '100'] },
  faults: [killMongo({ everyMs: 4_000, times: LOSING_KILLS, jitter: 0.5, firstMs: 2_000, awayMs: 0 })],
  afterMs: 2_000,
  measures: ({ figures, scale }) => [
    atLeast('kills', figures.outages, scaled(LOSING_KILLS, scale)),
    exactly('D', figures.duplicates, 0),
  ],
});

const ROLLBACKS = 10;

/** The same on a real set: the primary is alone for some seconds, then killed, and what it alone has is rolled back. */
const rolledBack: Scenario = loadRound({
  ...load,
  name: 'F7 rollback',
  row: 'F7',
  title: `three nodes: a primary whose last seconds no other node has is killed, ${ROLLBACKS}×`,
  target: 'every 202 present afterwards; D = 0',
  profile: 'production',
  missing: missingMongod,
  servers: { threeNodes: true },
  faults: [rollBack({ everyMs: 30_000, times: ROLLBACKS, aloneMs: 4_000 })],
  afterMs: 5_000,
  measures: ({ figures, scale }) => [
    atLeast('primaries rolled back', figures.outages, scaled(ROLLBACKS, scale)),
    exactly('D', figures.duplicates, 0),
  ],
});

/** A change of the primary costs few runs, and writes go on soon. */
const changedPrimary =
  (events: number): Measures =>
  ({ casebook, figures, scale }) => [
    atLeast('events', figures.outages, scaled(events, scale)),
    atMost('D', figures.duplicates, EXTRA_PER_EVENT * figures.outages),
    atMost('write gap', Math.round(longestWriteGapMs(casebook)), WRITE_GAP_MS, 'ms'),
    told('rescues', figures.rescues),
  ];

const CHANGES = 20;
const CHANGE_TARGET = 'every 202 present afterwards; D ≤ 5 per event; write gap ≤ 12 s';

const elections: Scenario = loadRound({
  ...load,
  name: 'F8',
  row: 'F8',
  title: `three nodes: step-down of the primary, and kill -9 of it, ${CHANGES / 2}× each`,
  target: CHANGE_TARGET,
  profile: 'production',
  missing: missingMongod,
  servers: { threeNodes: true },
  faults: [
    stepDown({ everyMs: 40_000, times: CHANGES / 2, firstMs: 5_000, forMs: 10_000 }),
    killPrimary({ everyMs: 40_000, times: CHANGES / 2, firstMs: 25_000 }),
  ],
  afterMs: 5_000,
  measures: changedPrimary(CHANGES),
});

/** What of F8 one node can show: it is no primary for longer than a lease of the test profile, then it is again. */
const stepDowns: Scenario = loadRound({
  ...load,
  name: 'F8 step-down',
  row: 'F8',
  title: `one node: it steps down for 4 s, ${CHANGES}×`,
  target: CHANGE_TARGET,
  servers: { mongoArgs: [] },
  faults: [stepDown({ everyMs: 9_000, times: CHANGES, jitter: 0.2, firstMs: 2_000, forMs: 4_000 })],
  afterMs: 2_000,
  measures: changedPrimary(CHANGES),
});

export const LEDGER_OUTAGES: readonly Scenario[] = [
  away({ name: 'F7', awayMs: 3_000, everyMs: 9_000, times: 20 }),
  away({ name: 'F7 20 s', awayMs: 20_000, everyMs: 30_000, times: 5 }),
  lostWrites,
  rolledBack,
  elections,
  stepDowns,
];
