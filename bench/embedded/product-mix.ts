import { mongo } from 'mongoose';
import { insertJobs } from '../../src/pipeline/store/bulk-insert.ts';
import { JobBatchRepository } from '../../src/pipeline/store/job-batch-repository.ts';
import type { ClaimedJob, JobDocument } from '../../src/pipeline/store/job-document.ts';
import { migrate } from '../../src/pipeline/store/migrate.ts';
import { outcomeWrite, runOf, writeOutcomes } from '../../src/pipeline/store/run-outcomes.ts';
import { openStartGate } from '../../src/pipeline/store/start-gate.ts';
import { createStoreContext, type StoreContext } from '../../src/pipeline/store/store-context.ts';
import { connectLedger } from '../../src/platform/mongo.ts';
import { newJobDocument } from '../../test/helpers/job-document.ts';
import { inParallel } from '../throughput/in-parallel.ts';
import type { Figure } from './figure.ts';
import type { MeasuredServer } from './measured-server.ts';

const BATCH = 100;
const GROUP = 50;
const IN_FLIGHT = 4;

/** LedgerMQ's own writes with its own indexes, step after step for all jobs: what each costs the server. */
export async function measureProductMix(server: MeasuredServer, jobs: number): Promise<Figure[]> {
  const uri = server.uri.replace('/?', '/ledgermq_bench?');
  const ledger = await connectLedger({ uri, appName: 'bench', deadlineMs: 60_000 });
  const context = createStoreContext({
    ledger,
    processId: 'bench:1:embedded',
    lease: { leaseMs: 30_000, beatMs: 10_000, graceMs: 10_000, sweepMs: 5_000, queuedLeaseMs: 600_000 },
    retention: { completedMs: 86_400_000, failedMs: 86_400_000 },
    deadlineMs: 60_000,
  });
  try {
    await migrate(context);
    const claimed: ClaimedJob[] = [];
    const started: { job: JobDocument; runKey: mongo.ObjectId }[] = [];
    const steps = [
      ['insert', () => insert(context, jobs)],
      ['claim', () => claim(context, claimed)],
      ['gate', () => gate(context, claimed, started)],
      ['finish', () => finish(context, started)],
    ] as const;
    const figures: Figure[] = [];
    for (const [name, run] of steps) figures.push(...(await measured(server, name, jobs, run)));
    await mustBeDone(context, jobs);
    const total = figures.filter(({ unit }) => unit === 'µs/job').reduce((sum, { value }) => sum + value, 0);
    return [...figures, { name: `product mix, ${jobs} jobs: server CPU`, unit: 'µs/job', value: total, goal: '≤ 500' }];
  } finally {
    await ledger.close();
  }
}

async function measured(
  server: MeasuredServer,
  name: string,
  jobs: number,
  run: () => Promise<void>,
): Promise<Figure[]> {
  const [cpuBefore, begin] = [await server.cpuUs(), performance.now()];
  await run();
  const took = performance.now() - begin;
  const cpu = (await server.cpuUs()) - cpuBefore;
  return [
    { name: `  ${name}: server CPU`, unit: 'µs/job', value: cpu / jobs },
    { name: `  ${name}`, unit: 'jobs/s', value: (jobs / took) * 1_000 },
  ];
}

function insert(context: StoreContext, jobs: number): Promise<void> {
  return inParallel(Math.ceil(jobs / 1_000), 2, async batch => {
    const size = Math.min(1_000, jobs - batch * 1_000);
    await insertJobs(context, Array.from({ length: size }, newJob));
  });
}

function newJob(): JobDocument {
  return newJobDocument({ type: 'bench:noop', payload: { text: 'x'.repeat(60) } });
}

async function claim(context: StoreContext, claimed: ClaimedJob[]): Promise<void> {
  const repository = new JobBatchRepository(context, ({ error }) => {
    throw error;
  });
  for (;;) {
    const batch = await repository.loadNextBatch('default', BATCH);
    if (batch.length === 0) return;
    claimed.push(...batch);
  }
}

function gate(
  context: StoreContext,
  claimed: readonly ClaimedJob[],
  started: { job: JobDocument; runKey: mongo.ObjectId }[],
): Promise<void> {
  return inParallel(Math.ceil(claimed.length / GROUP), IN_FLIGHT, async group => {
    const runKey = new mongo.ObjectId();
    const won = await openStartGate(context, claimed.slice(group * GROUP, (group + 1) * GROUP), runKey);
    for (const job of won) if (job) started.push({ job, runKey });
  });
}

function finish(
  context: StoreContext,
  started: readonly { job: JobDocument; runKey: mongo.ObjectId }[],
): Promise<void> {
  return inParallel(Math.ceil(started.length / GROUP), IN_FLIGHT, async group => {
    const writes = started
      .slice(group * GROUP, (group + 1) * GROUP)
      .map(({ job, runKey }) =>
        outcomeWrite(context, { run: runOf(job, runKey), outcome: { kind: 'completed', result: { ok: true } } }),
      );
    await writeOutcomes(context, writes, false);
  });
}

/** @throws Error when a step did not do its work: its figures would be of nothing */
async function mustBeDone({ jobs: collection }: StoreContext, jobs: number): Promise<void> {
  const completed = await collection.countDocuments({ status: 'completed' });
  if (completed !== jobs) throw new Error(`${completed} of ${jobs} jobs are completed`);
}
