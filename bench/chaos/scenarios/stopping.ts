import { alwaysOk, type JobMix } from '../job/job-plan.ts';
import type { Casebook } from '../oracle/evidence.ts';
import { terminateStuckWorkers, terminateWithoutRedis, terminateWorkers } from '../world/restart-faults.ts';
import { type LoadRound, loadRound } from './load-round.ts';
import { atLeast, atMost, exactly } from './measures.ts';
import { type Measure, type Scenario, scaled } from './scenario.ts';

const SHORT_JOBS_MS = 3_000;
/** Of these rounds: the drain deadline of the test profile beside the leases of a production. */
const DRAIN_DEADLINE_MS = 3_000;
const AFTER_DEADLINE_MS = 1_000;
/** Longer than any SIGTERM takes; what meets none ends by itself then. */
const STUCK_MS = 40_000;

const underLoad = {
  row: 'F16',
  profile: 'production',
  env: { DRAIN_DEADLINE_MS: String(DRAIN_DEADLINE_MS) },
  clients: 4,
  workers: 3,
  concurrency: 10,
  pace: { perSecond: 30 },
  warmUpMs: 2_000,
  limitMs: 20 * 60_000,
} satisfies Partial<LoadRound>;

const shortJobs = alwaysOk({ fromMs: 50, toMs: 500 });

function terms({ faults }: Casebook) {
  return faults.filter(fault => fault.kind === 'term').map(({ at, until, times }) => ({ ms: until - at, times }));
}

function termMeasures(casebook: Casebook, least: number, longestMs: number): Measure[] {
  const found = terms(casebook);
  return [
    atLeast('SIGTERMs', found.length, least),
    atLeast('of these sent twice', found.filter(term => term.times > 1).length, Math.floor(least / 2)),
    atMost('longest end', Math.max(0, ...found.map(term => term.ms)), longestMs, 'ms'),
  ];
}

const TERMS = 40;

const busy: Scenario = loadRound({
  ...underLoad,
  name: 'F16',
  title: `SIGTERM of a worker under load, ${TERMS}×, every other one sent twice`,
  target: `exit 0 in ≤ ${SHORT_JOBS_MS / 1_000} s with short jobs, D = 0`,
  mix: shortJobs,
  faults: [terminateWorkers({ everyMs: 3_000, times: TERMS, jitter: 0.5 })],
  measures: ({ casebook, figures, scale }) => [
    ...termMeasures(casebook, scaled(TERMS, scale), SHORT_JOBS_MS),
    exactly('D', figures.duplicates, 0),
  ],
});

/** One in so many neither ends nor listens at its first run. */
const SOME_STICK = 25;
const sticky: JobMix = (key, random, index) => {
  const plan = shortJobs(key, random, index);
  if (index % SOME_STICK !== 0) return plan;
  const stuck = { workMs: 0, overstayMs: STUCK_MS, honoursSignal: false, firstRun: 'stick' } as const;
  return { ...plan, payload: { ...plan.payload, ...stuck }, timeoutMs: 2 * STUCK_MS };
};
const STUCK_TERMS = 20;

const stuck: Scenario = loadRound({
  ...underLoad,
  name: 'F16 stuck handler',
  title: `SIGTERM of a worker with a handler that neither ends nor listens, ${STUCK_TERMS}×, every other one sent twice`,
  target: 'exit 1 at the drain deadline + 1 s; the job is handed back, no retry is spent',
  mix: sticky,
  pace: { perSecond: 10 },
  faults: [terminateStuckWorkers({ everyMs: 4_000, times: STUCK_TERMS, stuckForMs: STUCK_MS })],
  measures: ({ casebook, scale }) => [
    ...termMeasures(casebook, scaled(STUCK_TERMS, scale), DRAIN_DEADLINE_MS + AFTER_DEADLINE_MS),
    atLeast('shortest end', Math.min(...terms(casebook).map(term => term.ms)), DRAIN_DEADLINE_MS, 'ms'),
    atLeast('stuck runs handed back', handedBackStuck(casebook), scaled(STUCK_TERMS, scale)),
    exactly(
      'retries consumed',
      casebook.jobs.reduce((sum, job) => sum + job.failures + job.crashes, 0),
      0,
    ),
  ],
});

function handedBackStuck({ jobs, plans }: Casebook): number {
  const stuckOnes = jobs.filter(job => plans.get(job.key ?? '')?.payload.firstRun === 'stick');
  return stuckOnes.filter(job => job.history.some(entry => entry.via === 'T9')).length;
}

const AWAY_TERMS = 10;

const withoutRedis: Scenario = loadRound({
  ...underLoad,
  name: 'F16 Redis away',
  title: `SIGTERM of a worker under load while Redis is away, ${AWAY_TERMS}×, every other one sent twice`,
  target: 'exit 1 at the drain deadline + 1 s at the latest; D = 0',
  mix: shortJobs,
  faults: [terminateWithoutRedis({ everyMs: 8_000, times: AWAY_TERMS, least: 2 })],
  measures: ({ casebook, figures, scale }) => [
    ...termMeasures(casebook, scaled(AWAY_TERMS, scale, 2), DRAIN_DEADLINE_MS + AFTER_DEADLINE_MS),
    exactly('D', figures.duplicates, 0),
  ],
});

export const STOPPING_SCENARIOS: readonly Scenario[] = [busy, stuck, withoutRedis];
