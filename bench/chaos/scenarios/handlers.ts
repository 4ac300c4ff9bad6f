import type { Act, ChaosPayload } from '../job/chaos-payload.ts';
import { alwaysOk, type JobMix } from '../job/job-plan.ts';
import { isRejection } from '../oracle/deeds.ts';
import type { Casebook, LedgerJob } from '../oracle/evidence.ts';
import { longestGap } from '../oracle/run-gaps.ts';
import { type LoadRound, loadRound } from './load-round.ts';
import { atLeast, atMost, exactly, told } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

/** Of the production profile. */
const LEASE_MS = 7_500;

const base = {
  profile: 'production',
  clients: 4,
  workers: 3,
  concurrency: 10,
  faults: [],
  supervised: true,
  limitMs: 30 * 60_000,
} satisfies Partial<LoadRound>;

/** Every so many-th job of another mix does something else. */
function someOf(mix: JobMix, some: { every: number; first: number }, change: Partial<ChaosPayload>): JobMix {
  return (key, random, index) => {
    const plan = mix(key, random, index);
    return index % some.every === some.first ? { ...plan, payload: { ...plan.payload, ...change } } : plan;
  };
}

function jobsWith({ jobs, plans }: Casebook, has: (payload: ChaosPayload) => boolean): LedgerJob[] {
  return jobs.filter(job => {
    const plan = plans.get(job.key ?? '');
    return plan !== undefined && has(plan.payload);
  });
}

const blockers = (casebook: Casebook) => jobsWith(casebook, ({ firstRun }) => firstRun === 'block');
const BLOCKS = 20;

const shortBlock: Scenario = loadRound({
  ...base,
  name: 'F13 half a lease',
  row: 'F13',
  title: `a handler holds the event loop for half a lease, ${BLOCKS}×, others run beside it`,
  target: 'D = 0',
  jobs: 60 * BLOCKS,
  mix: someOf(
    alwaysOk({ fromMs: 50, toMs: 500 }),
    { every: 60, first: 10 },
    { firstRun: 'block', overstayMs: LEASE_MS / 2, workMs: 0 },
  ),
  concurrency: 5,
  pace: { perSecond: 10 },
  measures: ({ casebook, figures, scale }) => [
    atLeast('blocks', blockers(casebook).length, scaled(BLOCKS, scale)),
    exactly('D', figures.duplicates, 0),
    told('rescues', figures.rescues),
  ],
});

const longBlock: Scenario = loadRound({
  ...base,
  name: 'F13 three leases',
  row: 'F13',
  title: `a handler holds the event loop for three leases in its first run, ${BLOCKS}×, one slot a worker`,
  target: 'exactly one extra run each',
  jobs: 24 * BLOCKS,
  mix: someOf(
    alwaysOk({ fromMs: 50, toMs: 300 }),
    { every: 24, first: 5 },
    { firstRun: 'block', overstayMs: 3 * LEASE_MS, workMs: 0 },
  ),
  workers: 4,
  concurrency: 1,
  pace: { perSecond: 2 },
  largestBulk: 1,
  measures: ({ casebook, figures, scale }) => {
    const blocked = blockers(casebook);
    return [
      atLeast('blocks', blocked.length, scaled(BLOCKS, scale)),
      exactly('extra runs', figures.extraRuns, blocked.length),
      exactly('D', figures.duplicates, blocked.length),
      exactly('late results refused', figures.lateRefused, blocked.length),
    ];
  },
});

const POISON: readonly Act[] = ['exit', 'out-of-memory', 'exit', 'out-of-memory', 'exit'];
const POISON_EVERY = 97;
const POISON_CRASHES = 3;

const poison: Scenario = loadRound({
  ...base,
  name: 'F14',
  row: 'F14',
  title: `${POISON.length} poison jobs (exit, out of memory) among 5,000, 3 workers × 20 slots`,
  target: `poison \`failed\` after ${POISON_CRASHES} crashes, all others complete`,
  jobs: 5_000,
  mix: (key, random, index) => {
    const plan = alwaysOk({ fromMs: 20, toMs: 200 })(key, random, index);
    const act = index % POISON_EVERY === POISON_EVERY - 1 ? POISON[Math.floor(index / POISON_EVERY)] : undefined;
    return act ? { ...plan, payload: { ...plan.payload, acts: [act], honoursSignal: false } } : plan;
  },
  concurrency: 20,
  // A heap that is full soon.
  env: { NODE_OPTIONS: '--max-old-space-size=192', CHILD_HEAP_MB: '96' },
  pace: { backlogSeconds: 2.5, least: 100, most: 400 },
  measures: ({ casebook, figures }) => {
    const poisoned = jobsWith(casebook, ({ acts }) => acts[0] !== 'ok');
    const condemned = poisoned.filter(
      job => job.status === 'failed' && job.history.at(-1)?.reason === 'poison' && job.crashes === POISON_CRASHES,
    );
    return [
      exactly('poison jobs', poisoned.length, POISON.length),
      exactly(`of these failed as poison after ${POISON_CRASHES} crashes`, condemned.length, POISON.length),
      exactly('others completed', figures.completed, casebook.jobs.length - POISON.length),
      told('workers that poison ended', figures.kills),
    ];
  },
});

const REJECTIONS = 20;

const rejection: Scenario = loadRound({
  ...base,
  name: 'F15',
  row: 'F15',
  title: `a handler leaves a rejection unhandled in its first run, ${REJECTIONS}×`,
  target: 'logged once, exit 1, the jobs are rescued',
  jobs: 150 * REJECTIONS,
  mix: someOf(alwaysOk({ fromMs: 100, toMs: 500 }), { every: 150, first: 20 }, { firstRun: 'reject-unhandled' }),
  pace: { perSecond: 30 },
  measures: ({ casebook, scale }) => {
    const rejecting = jobsWith(casebook, ({ firstRun }) => firstRun === 'reject-unhandled');
    const ended = casebook.faults.filter(fault => fault.kind === 'kill' && fault.by === 'reject-unhandled');
    const logged = casebook.processes.map(process => process.alarms.filter(isRejection).length);
    return [
      atLeast('handlers that rejected', rejecting.length, scaled(REJECTIONS, scale)),
      atLeast('workers that ended with 1', ended.length, 1),
      atMost('most lines about it in one log', Math.max(...logged), 1),
      exactly(
        'lines about it',
        logged.reduce((sum, count) => sum + count, 0),
        ended.length,
      ),
      exactly('these jobs completed', rejecting.filter(job => job.status === 'completed').length, rejecting.length),
    ];
  },
});

const KINDS = ['result-too-large', 'cycle', 'bigint'] as const;
const UNSTORABLE_EVERY = 15;

const unstorable: Scenario = loadRound({
  ...base,
  name: 'F25',
  row: 'F25',
  title: 'results of 17 MB, with a cycle, with a BigInt among good ones',
  target: "that job is failed (`result-not-storable`), the group's others are recorded",
  jobs: 3_000,
  mix: (key, random, index) => {
    const plan = alwaysOk({ fromMs: 1, toMs: 20 })(key, random, index);
    const kind = index % UNSTORABLE_EVERY === 0 ? KINDS[(index / UNSTORABLE_EVERY) % KINDS.length] : undefined;
    return kind ? { ...plan, payload: { ...plan.payload, acts: [kind] } } : plan;
  },
  concurrency: 20,
  pace: { backlogSeconds: 2.5, least: 100, most: 1_000 },
  measures: ({ casebook, figures, scale }) => {
    const planned = jobsWith(casebook, ({ acts }) => acts[0] !== 'ok');
    const refused = planned.filter(
      job => job.status === 'failed' && job.history.at(-1)?.reason === 'result-not-storable' && job.runs === 1,
    );
    return [
      atLeast('results that cannot be stored', planned.length, scaled(3_000, scale) / UNSTORABLE_EVERY),
      exactly('of these failed as result-not-storable', refused.length, planned.length),
      exactly('others completed', figures.completed, casebook.jobs.length - planned.length),
      exactly('D', figures.duplicates, 0),
    ];
  },
});

const WATCHDOG_MS = 2_000;
const LONG_JOB_MS = 12_000;

const watchdog: Scenario = loadRound({
  ...base,
  name: 'F26',
  row: 'F26',
  title: `jobs of ${LONG_JOB_MS / 1_000} s fill all slots while others wait, the watchdog's time is ${WATCHDOG_MS / 1_000} s`,
  target: 'no watchdog restart, no crash counted',
  jobs: 360,
  mix: alwaysOk({ fromMs: LONG_JOB_MS, toMs: LONG_JOB_MS }),
  concurrency: 4,
  supervised: false,
  env: { WATCHDOG_MS: String(WATCHDOG_MS) },
  pace: { perSecond: 60 },
  measures: ({ casebook, figures }) => [
    atLeast('longest time without a start while jobs waited', longestGap(casebook), 2 * WATCHDOG_MS, 'ms'),
    exactly(
      'consumers rebuilt',
      casebook.processes.reduce((sum, { rebuilds = 0 }) => sum + rebuilds, 0),
      0,
    ),
    exactly(
      'crashes counted',
      casebook.jobs.reduce((sum, job) => sum + job.crashes, 0),
      0,
    ),
    exactly('D', figures.duplicates, 0),
  ],
});

export const HANDLER_SCENARIOS: readonly Scenario[] = [shortBlock, longBlock, poison, rejection, unstorable, watchdog];
