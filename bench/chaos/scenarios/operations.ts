import { allKinds, type JobMix } from '../job/job-plan.ts';
import type { Casebook } from '../oracle/evidence.ts';
import { endless, killWorkers, stopWorkers } from '../world/faults.ts';
import { operateOnJobs } from '../world/operations.ts';
import { loadRound } from './load-round.ts';
import { atLeast, told } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

const JOBS = 10_000;

/** Jobs of every kind that work long enough to be cancelled at it; a short time limit keeps its short work. */
const longEnough: JobMix = (key, random) => {
  const plan = allKinds(key, random);
  const workMs = plan.timeoutMs < 1_000 ? plan.payload.workMs : random.int(100, 1_500);
  return { ...plan, payload: { ...plan.payload, workMs } };
};

/** F24: clients cancel, retry and delete while workers are killed and stopped. */
export const operations: Scenario = loadRound({
  name: 'F24',
  row: 'F24',
  title: 'random cancel, retry and delete by API clients while workers are killed and stopped (1.5 s and 6 s)',
  target: 'the invariants; a cancelled job never starts again without a retry, a deleted one never',
  jobs: JOBS,
  mix: longEnough,
  clients: 4,
  apis: 2,
  workers: 3,
  concurrency: 20,
  pace: { backlogSeconds: 1.5, least: 100, most: 2_000 },
  faults: [
    killWorkers({ everyMs: 3_000, times: endless, jitter: 0.5 }),
    stopWorkers({ everyMs: 5_000, forMs: 1_500, firstMs: 2_000, times: endless }),
    stopWorkers({ everyMs: 8_000, forMs: 6_000, firstMs: 3_000, times: endless }),
    operateOnJobs({ clients: 4, everyMs: 120 }),
  ],
  measures: ({ casebook, figures, scale }) => [
    atLeast('kills', figures.kills, scaled(40, scale)),
    atLeast('stops', figures.stops, scaled(25, scale)),
    atLeast('cancelled before the start', answered(casebook, 'cancel', 200), scaled(500, scale)),
    atLeast('cancels of a run', answered(casebook, 'cancel', 202), scaled(200, scale)),
    atLeast('retries', answered(casebook, 'retry', 200), scaled(300, scale)),
    atLeast('deletes', answered(casebook, 'delete', 200), scaled(300, scale)),
    told('refused with 409', casebook.operations?.filter(({ status }) => status === 409).length ?? 0),
  ],
  limitMs: 20 * 60_000,
});

/** How many operations of this kind had this answer. */
export function answered({ operations: asked = [] }: Casebook, kind: string, status: number): number {
  return asked.filter(operation => operation.kind === kind && operation.status === status).length;
}
