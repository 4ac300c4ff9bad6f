import { expect, it } from 'vitest';
import { createRegistry } from '../../src/jobs/define-job.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import { testConfig } from '../helpers/config.ts';
import { useDatabase, useRedis } from '../helpers/fixtures.ts';

it('a start that fails before the services are made says why, and closes what it has opened', async () => {
  const [mongo, redis] = [await useDatabase(), await useRedis()];
  // The ledger cannot be brought into shape: another index has the name of one of its own.
  await mongo.db.collection('jobs').createIndex({ other: 1 }, { name: 'claim' });
  const config = testConfig({ mongo, redis }, { WORKER_MODE: 'true' });
  const started = startWorker({
    config,
    registry: createRegistry([]),
    logger: createLogger({ level: 'silent', name: 'test' }),
  });
  await expect(started).rejects.toThrow(/index.*claim/i);
});
