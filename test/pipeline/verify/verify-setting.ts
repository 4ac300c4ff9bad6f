import { QueueManager } from '../../../src/pipeline/queue/queue-manager.ts';
import { JobBatchRepository } from '../../../src/pipeline/store/job-batch-repository.ts';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { type Outcome, outcomeWrite, runOf, writeOutcomes } from '../../../src/pipeline/store/run-outcomes.ts';
import { newRunKey, openStartGate } from '../../../src/pipeline/store/start-gate.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import type { Finding } from '../../../src/pipeline/verify/findings.ts';
import { type RunOptions, runVerification, type VerifyReport } from '../../../src/pipeline/verify/run-verification.ts';
import { openRedis } from '../../../src/platform/redis.ts';
import { atEnd, useRedis } from '../../helpers/fixtures.ts';
import { newJobDocument } from '../../helpers/job-document.ts';
import type { TestRedis } from '../../helpers/redis.ts';
import { useStore } from '../../helpers/store.ts';
import { waitFor } from '../../helpers/wait-for.ts';

export const LANES = ['default', 'mail'];

/** A ledger, an engine, nobody at work: every job is brought where it is by the store's own writes. */
export interface VerifySetting {
  context: StoreContext;
  redis: TestRedis;
  engine: QueueManager;
  repository: JobBatchRepository;
  /** Inserts a pending job; its neighbours are not due, so that a claim takes this one alone. */
  pending(over?: Partial<JobDocument>): Promise<JobDocument>;
  queued(over?: Partial<JobDocument>): Promise<JobDocument>;
  processing(over?: Partial<JobDocument>): Promise<JobDocument>;
  ended(outcome?: Outcome, over?: Partial<JobDocument>): Promise<JobDocument>;
  read(job: Pick<JobDocument, '_id'>): Promise<JobDocument>;
  verify(over?: Partial<RunOptions>): Promise<{ report: VerifyReport; findings: Finding[] }>;
}

export async function useVerifySetting(): Promise<VerifySetting> {
  const { context } = await useStore();
  const redis = await useRedis();
  const { host, port } = redis;
  const connection = openRedis({ host, port, db: 0, username: null, password: null, tls: false }, 'producer', () => {});
  const engine = new QueueManager({
    redis: connection,
    prefix: '{test}',
    queueName: 'queue',
    lanes: LANES,
    onError: () => undefined,
  });
  await waitFor(() => connection.status === 'ready', { what: 'Redis' });
  atEnd(async () => {
    await engine.stop();
    connection.disconnect();
  });
  return createSetting(context, redis, engine);
}

function createSetting(context: StoreContext, redis: TestRedis, engine: QueueManager): VerifySetting {
  const repository = new JobBatchRepository(context, () => undefined);
  const setting: VerifySetting = {
    context,
    redis,
    engine,
    repository,
    pending: async (over = {}) => {
      const job = newJobDocument({ runAt: new Date(Date.now() + 3_600_000), ...over });
      await context.jobs.insertOne(job);
      return job;
    },
    queued: async over => {
      const job = await setting.pending({ runAt: new Date(Date.now() - 1_000), ...over });
      await repository.loadNextBatch(job.queue, 1);
      return setting.read(job);
    },
    processing: async over => {
      const { _id, token } = await setting.queued(over);
      const [job] = await openStartGate(context, [{ id: _id, token: token! }], newRunKey());
      return job!;
    },
    ended: async (outcome = { kind: 'completed', result: { fine: true } }, over = {}) => {
      const job = await setting.processing(over);
      await writeOutcomes(context, [outcomeWrite(context, { run: runOf(job, job.runKey!), outcome })], false);
      return setting.read(job);
    },
    read: async ({ _id }) => (await context.jobs.findOne({ _id }))!,
    verify: async over => {
      const findings: Finding[] = [];
      const report = await runVerification({
        context,
        engine,
        lanes: LANES,
        pageJobs: 7,
        range: { below: null, from: null, most: Number.POSITIVE_INFINITY },
        jobsPerSecond: 1_000_000,
        onFinding: finding => findings.push(finding),
        ...over,
      });
      return { report, findings };
    },
  };
  return setting;
}
