import type { Redis } from 'ioredis';
import type { Config } from '../config/config.ts';
import { lanesOf } from '../jobs/define-job.ts';
import { JOB_HANDLERS } from '../jobs/index.ts';
import { QueueManager } from '../pipeline/queue/queue-manager.ts';
import { firstIdOf } from '../pipeline/store/bson.ts';
import { createStoreContext } from '../pipeline/store/store-context.ts';
import { type RunOptions, runVerification, type VerifyReport } from '../pipeline/verify/run-verification.ts';
import { connectLedger } from '../platform/mongo.ts';
import { openRedis } from '../platform/redis.ts';
import type { VerifyRequest } from './verify-options.ts';

const PAGE_JOBS = 1_000;
/** A page of cold documents may take longer than a caller of the API would wait. */
const DEADLINE_MS = 30_000;
/** Redis gets this long to be there. */
const REDIS_READY_MS = 2_500;

export type VerifyOptions = Pick<RunOptions, 'range' | 'jobsPerSecond' | 'onFinding' | 'onProgress'>;

/**
 * Connects to the ledger and to the engine that the configuration names, checks them once, disconnects. Writes nothing.
 * A Redis that is away leaves the engine unchecked, which the report says.
 * @throws LedgerError, or the driver's error, when the ledger cannot be read
 */
export async function verifyOnce(
  config: Config,
  lanes: readonly string[],
  options: VerifyOptions,
): Promise<VerifyReport> {
  const { uri, deadlineMs } = config.mongo;
  const { lease, retention, queue } = config;
  const ledger = await connectLedger({ uri, appName: 'ledgermq-verify', deadlineMs });
  const redis = openRedis(config.redis, 'producer', () => undefined);
  const { prefix, name: queueName } = queue;
  const engine = new QueueManager({ redis, prefix, queueName, lanes, onError: () => undefined });
  try {
    await readyWithin(redis, REDIS_READY_MS);
    const processId = `verify:${process.pid}`;
    const context = createStoreContext({ ledger, processId, lease, retention, deadlineMs: DEADLINE_MS });
    return await runVerification({ context, engine, lanes, pageJobs: PAGE_JOBS, ...options });
  } finally {
    await engine.stop();
    redis.disconnect();
    await ledger.close();
  }
}

function readyWithin(redis: Redis, ms: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const PROGRESS_MS = 2_000;

/** What the command line asked for, with a line of progress every two seconds. Lanes: of the built-in types and of QUEUES. */
export function verifyAsRequested(
  config: Config,
  { limit, since, rate }: VerifyRequest,
  say: (line: string) => void,
): Promise<VerifyReport> {
  const at = since && ('at' in since ? since.at : Date.now() - since.agoMs);
  let saidAt = performance.now();
  return verifyOnce(config, lanesOf(JOB_HANDLERS, config.queue.lanes), {
    range: { below: null, from: at === null ? null : firstIdOf(at), most: limit },
    jobsPerSecond: rate,
    onProgress: ({ jobs, drift }) => {
      if (performance.now() - saidAt < PROGRESS_MS) return;
      saidAt = performance.now();
      say(`${jobs} jobs looked at, ${drift} found\n`);
    },
  });
}
