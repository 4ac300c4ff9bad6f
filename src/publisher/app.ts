import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/config.ts';
import type { Identity } from '../http/authenticator.ts';
import { serveBoard } from '../http/board.ts';
import { driftMetrics } from '../http/drift-metrics.ts';
import { type HealthReport, serveHealth } from '../http/health.ts';
import { createHttpServer } from '../http/http-server.ts';
import { serveMetrics } from '../http/metrics-route.ts';
import { serveStats } from '../http/stats-route.ts';
import type { JobRegistry } from '../jobs/define-job.ts';
import type { QueueManager } from '../pipeline/queue/queue-manager.ts';
import type { Stats } from '../pipeline/store/job-stats.ts';
import type { OutcomeCounters } from '../pipeline/store/outcome-counters.ts';
import type { StoreContext } from '../pipeline/store/store-context.ts';
import type { Submitter, Wake } from '../pipeline/submit/submitter.ts';
import type { Logger } from '../platform/logger.ts';
import { serveJobs } from './job-routes.ts';
import { serveJobTypes } from './job-types-route.ts';
import { serveOpenApi } from './openapi.ts';
import { serveSubmit } from './submit-routes.ts';

export interface AppOptions {
  config: Config;
  registry: JobRegistry;
  logger: Logger;
  context: StoreContext;
  submitter: Submitter;
  counters: OutcomeCounters;
  queueManager: QueueManager;
  wake: Wake;
  health: () => Promise<HealthReport>;
  getStats: (caller: Identity) => Promise<Stats>;
}

/** The publisher's routes on the common server; not listening yet. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { config, registry, logger, context, submitter, counters, queueManager, wake } = options;
  const app = createHttpServer({ config, logger });
  await serveOpenApi(app);
  serveHealth(app, options.health);
  serveSubmit(app, submitter, registry);
  serveJobs(app, { context, counters, wake });
  serveJobTypes(app, registry, config.jobDefaults);
  serveStats(app, 'read', options.getStats);
  serveMetrics(app, config.http.metricsAuth, () => driftMetrics(context));
  await serveBoard(app, queueManager);
  return app;
}
