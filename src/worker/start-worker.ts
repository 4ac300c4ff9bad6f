import type { Config } from '../config/config.ts';
import type { JobRegistry } from '../jobs/define-job.ts';
import { createJobServices } from '../jobs/services/create-job-services.ts';
import { runIsolatedChild } from '../pipeline/run/isolated-child.ts';
import { messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { connectLedger, type LedgerConnection } from '../platform/mongo.ts';
import { openRedis } from '../platform/redis.ts';
import { StandaloneWorker } from './standalone-worker.ts';

const CONNECT_AGAIN_MS = 500;

/** The seam for tests and other entry files: a worker for this registry, running. */
export async function startWorker(options: {
  config: Config;
  registry: JobRegistry;
  logger: Logger;
}): Promise<StandaloneWorker> {
  const worker = new StandaloneWorker(options);
  try {
    await worker.run();
  } catch (error) {
    await worker.stop();
    throw error;
  }
  return worker;
}

/** What the same entry does when a worker forked it for one isolated run; resolves when that worker closes the channel. */
export async function runChild(options: { config: Config; registry: JobRegistry; logger: Logger }): Promise<void> {
  // Listened for from the beginning: a worker that dies while its child still connects must not leave it behind.
  const parentGone = new Promise<void>(resolve => {
    if (process.connected) process.once('disconnect', resolve);
    else resolve();
  });
  await Promise.race([parentGone, runAsChild(options)]);
}

async function runAsChild({ config, registry, logger }: Parameters<typeof runChild>[0]): Promise<void> {
  const ledger = await connectPatiently(config, logger);
  const { services } = createJobServices({
    config,
    db: () => ledger.db,
    redis: () => openRedis(config.redis, 'producer', error => logger.warn({ error: error.message }, 'Redis is away')),
  });
  await runIsolatedChild({ registry, services });
}

/**
 * Connects before the handler starts, because services are given synchronously. A MongoDB that is away is waited for: the
 * end of this process would count as a crash of the job.
 */
async function connectPatiently({ mongo }: Config, logger: Logger): Promise<LedgerConnection> {
  for (;;) {
    try {
      return await connectLedger({ uri: mongo.uri, appName: 'ledgermq-child', deadlineMs: mongo.deadlineMs });
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'the child of an isolated run waits for MongoDB');
      await new Promise(resolve => setTimeout(resolve, CONNECT_AGAIN_MS));
    }
  }
}
