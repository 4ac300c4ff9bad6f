import type { Config } from '../config/config.ts';
import type { JobRegistry } from '../jobs/define-job.ts';
import { createJobServices } from '../jobs/services/create-job-services.ts';
import { runIsolatedChild } from '../pipeline/run/isolated-child.ts';
import { lazyDatabase } from '../platform/lazy-database.ts';
import type { Logger } from '../platform/logger.ts';
import { openRedis } from '../platform/redis.ts';

/**
 * What the same entry does when a worker forked it for one isolated run; resolves when that worker closes the channel.
 * A start has to be cheap, because after a crash many runs come to isolation at once: nothing is loaded or connected that
 * the handler does not ask for.
 */
export async function runChild(options: { config: Config; registry: JobRegistry; logger: Logger }): Promise<void> {
  const { config, registry, logger } = options;
  // Listened for from the beginning: a worker that dies while its child starts must not leave it behind.
  const parentGone = new Promise<void>(resolve => {
    if (process.connected) process.once('disconnect', resolve);
    else resolve();
  });
  const { services } = createJobServices({
    config,
    db: lazyDatabase(config.mongo.uri, 'ledgermq-child'),
    redis: () => openRedis(config.redis, 'producer', error => logger.warn({ error: error.message }, 'Redis is away')),
  });
  await Promise.race([parentGone, runIsolatedChild({ registry, services })]);
}
