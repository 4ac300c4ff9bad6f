import type { Config } from '../config/config.ts';
import type { QueueManager } from '../pipeline/queue/queue-manager.ts';
import type { Stats } from '../pipeline/store/job-stats.ts';
import type { Logger } from '../platform/logger.ts';
import { serveBoard } from './board.ts';
import { type HealthReport, serveHealth } from './health.ts';
import { createHttpServer, listen } from './http-server.ts';
import { type MetricFamily, serveMetrics } from './metrics-route.ts';
import { serveStats } from './stats-route.ts';

export interface HealthServer {
  readonly port: number;
  stop(): Promise<void>;
}

const LOOPBACK = /^(127\.|localhost$|::1$)/;

/**
 * What a worker serves on HEALTH_PORT: `/health*` for everybody; `/ui`, `/v1/stats` and `/metrics` behind the keys, and without keys only
 * in development on loopback.
 */
export async function startHealthServer(options: {
  config: Config;
  logger: Logger;
  health: () => Promise<HealthReport>;
  getStats: () => Promise<Stats>;
  getMetrics: () => Promise<MetricFamily[]>;
  queueManager: QueueManager;
}): Promise<HealthServer> {
  const { config, logger, health, getStats, getMetrics, queueManager } = options;
  const app = createHttpServer({ config, logger });
  serveHealth(app, health);
  if (hasGuardedPages(config)) {
    serveStats(app, 'admin', getStats);
    serveMetrics(app, config.http.metricsAuth, getMetrics);
    await serveBoard(app, queueManager);
  }
  const port = await listen(app, config.http.host, config.http.healthPort);
  let stopping: Promise<void> | null = null;
  return {
    port,
    stop: () => {
      stopping ??= app.close();
      return stopping;
    },
  };
}

function hasGuardedPages(config: Config): boolean {
  return config.access.keys.length > 0 || (config.env !== 'production' && LOOPBACK.test(config.http.host));
}
