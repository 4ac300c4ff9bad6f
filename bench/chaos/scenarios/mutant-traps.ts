import type { Act } from '../job/chaos-payload.ts';
import { alwaysOk, type JobMix, needsFullDocument } from '../job/job-plan.ts';
import { cancelThenEnd, delayLedger, killLedgerAtStarts, restoreOldTickets } from '../world/trap-faults.ts';
import { loadRound } from './load-round.ts';
import { atLeast, atMost, exactly } from './measures.ts';
import { answered } from './operations.ts';
import { type Scenario, scaled } from './scenario.ts';

/*
 * Rows that are sharper than those of the faults: each holds for the product, and makes one mutant show itself within seconds.
 */

const row = 'traps';
const limitMs = 15 * 60_000;
/** Without a fault nothing waits for a lease: what stands still for so long is stuck. */
const stuckMs = 20_000;

/** Jobs whose first attempts all come to the same bad end, soon followed by the next one. */
function failingFirst(options: {
  act: Act;
  times: number;
  workMs: number;
  timeoutMs: number;
  retryMs: number;
}): JobMix {
  const { act, times, workMs, timeoutMs, retryMs } = options;
  return (key, random) => ({
    payload: {
      key,
      workMs: random.int(workMs / 2, workMs),
      overstayMs: 2 * timeoutMs,
      honoursSignal: false,
      acts: [...Array.from({ length: times }, () => act), 'ok'],
    },
    priority: 5,
    delayMs: 0,
    // Room for more failures than planned: a busy machine makes its own timeouts.
    maxRetries: times + 6,
    retry: { strategy: 'fixed', delayMs: retryMs },
    timeoutMs,
  });
}

/** One run is what it takes; handed back, it runs once more, which is no duplicate of an effect: it stops at its signal. */
const longJob: JobMix = (key, random, index) => {
  const plan = alwaysOk({ fromMs: 1_500, toMs: 3_000, honoursSignal: true })(key, random, index);
  return { ...plan, payload: { ...plan.payload, acts: ['ok', 'fail'] } };
};

/** Jobs that are claimed again and again, by an engine that still remembers them. */
const claimedAgain = loadRound({
  name: 'trap claimed again',
  row,
  title: 'no fault; every job fails three times and is claimed again while Redis still has its earlier claims',
  target: 'each claim leads to a run',
  jobs: 2_000,
  mix: failingFirst({ act: 'fail', times: 3, workMs: 40, timeoutMs: 60_000, retryMs: 100 }),
  clients: 2,
  workers: 2,
  concurrency: 10,
  pace: { backlogSeconds: 2, least: 60, most: 400 },
  faults: [],
  measures: ({ figures, scale }) => [atLeast('runs', figures.runs, scaled(8_000, scale))],
  limitMs,
  stuckMs,
});

/** Old tickets in the same group of the start gate as new ones. */
const oldTickets = loadRound({
  name: 'trap old tickets',
  row,
  title:
    'tickets of earlier claims come back in front of the new ones, as from a restored Redis; MongoDB +30 ms per reply',
  target: 'no run, no rescue comes of an old ticket',
  jobs: 3_000,
  mix: failingFirst({ act: 'fail', times: 4, workMs: 40, timeoutMs: 60_000, retryMs: 50 }),
  clients: 2,
  workers: 2,
  concurrency: 10,
  servers: { proxied: true },
  pace: { backlogSeconds: 2, least: 100, most: 400 },
  faults: [restoreOldTickets({ everyMs: 100 }), delayLedger(30)],
  measures: ({ figures }) => [atMost('rescues', figures.rescues, 0)],
  limitMs,
  stuckMs,
});

/** Beats that meet a run between its recorded failure and the news of it. */
const slowAnswers = loadRound({
  name: 'trap slow answers',
  row,
  title: 'MongoDB +300 ms per reply; every job ignores its timeout twice',
  target: 'a run whose failure is recorded never takes its job up again',
  jobs: 1_000,
  mix: failingFirst({ act: 'overstay', times: 2, workMs: 50, timeoutMs: 300, retryMs: 100 }),
  clients: 2,
  workers: 2,
  concurrency: 10,
  servers: { proxied: true },
  pace: { backlogSeconds: 2, least: 40, most: 200 },
  faults: [delayLedger(300)],
  measures: ({ figures, scale }) => [atLeast('runs', figures.runs, scaled(3_000, scale))],
  limitMs,
  stuckMs,
});

const PRODUCTION_LEASE_MS = 7_500;
const LEDGER_KILLS = 50;

/** Handlers that have begun when the ledger dies with its last writes. */
const rollback = loadRound({
  name: 'trap rollback',
  row,
  title: `kill -9 of MongoDB a moment after a handler began, ${LEDGER_KILLS}×; unacknowledged writes of the last 100 ms are lost`,
  target: 'the ledger knows every run that began; D = 0',
  profile: 'production',
  mix: alwaysOk({ fromMs: 1_000, toMs: 2_000 }),
  clients: 2,
  largestBulk: 1,
  workers: 2,
  concurrency: 10,
  servers: { mongoArgs: ['--hold-w1-ms', '100'] },
  pace: { perSecond: 3 },
  warmUpMs: 2_000,
  faults: [killLedgerAtStarts({ everyMs: 4_000, times: LEDGER_KILLS, awayMs: 300, leaseMs: PRODUCTION_LEASE_MS })],
  measures: ({ figures }) => [atMost('D', figures.duplicates, 0)],
  limitMs,
});

const ENDS = 40;

/** Workers that end between an answered cancel and the beat that would have told them of it. */
const cancelAndEnd = loadRound({
  name: 'trap cancel and end',
  row,
  title: `clients cancel all that a worker runs, and it ends the next moment, by SIGTERM and kill -9 in turn, ${ENDS}×`,
  target: 'what was cancelled ends with this run: it is neither handed back nor rescued',
  mix: longJob,
  clients: 2,
  workers: 3,
  concurrency: 10,
  env: { LEASE_MS: '6000', BEAT_MS: '2000', DRAIN_DEADLINE_MS: '300' },
  pace: { perSecond: 8 },
  warmUpMs: 1_000,
  faults: [cancelThenEnd({ everyMs: 4_000, times: ENDS })],
  measures: ({ casebook, figures, scale }) => [
    atLeast('workers ended', figures.kills + figures.terms, scaled(ENDS, scale)),
    atLeast('cancels of a run', answered(casebook, 'cancel', 202), scaled(4 * ENDS, scale)),
  ],
  limitMs,
});

const FULL_EVERY = 20;

/** Short jobs that end in groups; every twentieth is in a document that its result does not fit into. */
const amongFull: JobMix = (key, random, index) => {
  const plan = alwaysOk({ fromMs: 20, toMs: 60 })(key, random, index);
  return index % FULL_EVERY === 0 ? { ...plan, payload: { ...plan.payload, acts: ['no-room'] } } : plan;
};

/** A result that passes every check before it joins its group, and that MongoDB refuses. */
const fullDocuments = loadRound({
  name: 'trap full documents',
  row,
  title:
    'every twentieth job is in a document of almost 16 MB, which its result does not fit into; MongoDB +100 ms per reply',
  target: 'that job fails (`result-not-storable`), the others of its group are recorded',
  // Such documents take their time at the gate, and that is not what the row is about.
  profile: 'production',
  jobs: 2_000,
  mix: amongFull,
  // Enough at once that runs end together although every post waits for MongoDB.
  clients: 16,
  largestBulk: 1,
  workers: 2,
  concurrency: 20,
  servers: { proxied: true },
  pace: { backlogSeconds: 2, least: 80, most: 200 },
  // While one group is on its way, the next one gathers.
  faults: [delayLedger(100)],
  measures: ({ casebook, figures }) => [
    exactly('failed jobs', figures.failed, [...casebook.plans.values()].filter(needsFullDocument).length),
  ],
  limitMs,
  stuckMs,
});

export const MUTANT_TRAPS: readonly Scenario[] = [
  claimedAgain,
  oldTickets,
  slowAnswers,
  rollback,
  cancelAndEnd,
  fullDocuments,
];
