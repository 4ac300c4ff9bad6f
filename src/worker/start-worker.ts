import type { Config } from '../config/config.ts';
import type { JobRegistry } from '../jobs/define-job.ts';
import type { Logger } from '../platform/logger.ts';
import { StandaloneWorker } from './standalone-worker.ts';

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
