import { describe, expect, it } from 'vitest';
import type { HealthReport } from '../../src/http/health.ts';
import { startHealthServer } from '../../src/http/health-server.ts';
import type { MetricFamily } from '../../src/http/metrics-route.ts';
import { QueueManager } from '../../src/pipeline/queue/queue-manager.ts';
import type { Stats } from '../../src/pipeline/store/job-stats.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { openRedis } from '../../src/platform/redis.ts';
import { type TestEnvironment, testConfig } from '../helpers/config.ts';
import { atEnd, useRedis } from '../helpers/fixtures.ts';
import { basic, problemSlug, send } from './http-client.ts';

const KEY = 'key-of-the-admin-0123456789';
const READER = 'key-of-a-reader-0123456789';
const API_KEYS = JSON.stringify([
  { name: 'admin', key: KEY, tenant: 'ops', scopes: ['admin'] },
  { name: 'reader', key: READER, tenant: 'ops', scopes: ['read'] },
]);
const STATS: Stats = {
  worker: {
    config: { mode: 'worker', queue: 'app-queue', batchSize: 50, concurrency: 10, intervalMs: 5_000 },
    isRunning: true,
    batchLoading: false,
  },
  jobs: { pending: 1, processing: 2, completed: 3, failed: 4 },
  queue: { waiting: 5, active: 6, completed: 7, failed: 8 },
  connections: { mongo: 'connected', redis: 'connected' },
};

const METRICS: MetricFamily[] = [
  { name: 'a_total', help: 'All.', type: 'counter', samples: [{ value: 3 }] },
  { name: 'b', help: 'By kind.', type: 'gauge', samples: [{ labels: { kind: 'x"y', of: 'z' }, value: 0.5 }] },
];

async function useHealthServer(environment: TestEnvironment, health: () => Promise<HealthReport>) {
  const redis = await useRedis();
  const config = testConfig(
    { mongo: { uri: 'mongodb://127.0.0.1/x' }, redis },
    { WORKER_MODE: 'true', ...environment },
  );
  const connection = openRedis(config.redis, 'producer', () => undefined);
  const queueManager = new QueueManager({
    redis: connection,
    prefix: config.queue.prefix,
    queueName: config.queue.name,
    lanes: ['default'],
    onError: () => undefined,
  });
  const logger = createLogger({ level: 'silent', name: 'test' });
  const server = await startHealthServer({
    config,
    logger,
    health,
    getStats: async () => STATS,
    getMetrics: async () => METRICS,
    queueManager,
  });
  atEnd(async () => {
    await server.stop();
    await queueManager.stop();
    connection.disconnect();
  });
  return { server, url: `http://127.0.0.1:${server.port}` };
}

const healthy = async (): Promise<HealthReport> => ({ ok: true, reasons: [] });

describe("a worker's health server", () => {
  it('says why it is not ready, and that it is alive all the same', async () => {
    let report: HealthReport = { ok: false, reasons: ['Redis cannot be reached'] };
    const { url } = await useHealthServer({ API_KEYS }, async () => report);
    for (const path of ['/health', '/health/ready']) {
      const answer = await send(url, 'GET', path);
      expect([answer.status, problemSlug(answer)]).toEqual([503, 'not-ready']);
      expect(answer.body.reasons).toEqual(['Redis cannot be reached']);
    }
    expect((await send(url, 'GET', '/health/live')).body).toEqual({ status: 'ok', uptime: expect.any(Number) });
    report = { ok: true, reasons: [] };
    await expect
      .poll(async () => (await send(url, 'GET', '/health')).body, { timeout: 5_000 })
      .toEqual({ status: 'ok', uptime: expect.any(Number) });
  });

  it('asks once for many callers', async () => {
    let asked = 0;
    const { url } = await useHealthServer({ API_KEYS }, async () => {
      asked += 1;
      return { ok: true, reasons: [] };
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(url, 'GET', '/health')));
    expect(answers.every(answer => answer.status === 200)).toBe(true);
    expect(asked).toBeLessThan(10);
  });

  it('is not ready when the check itself fails', async () => {
    const { url } = await useHealthServer({ API_KEYS }, () => Promise.reject(new Error('secret-host:27017 is away')));
    const answer = await send(url, 'GET', '/health');
    expect([answer.status, problemSlug(answer)]).toEqual([500, 'internal-error']);
    expect(answer.text).not.toContain('secret-host');
  });

  it('serves the board and the numbers to administrators', async () => {
    const { url } = await useHealthServer({ API_KEYS }, healthy);
    expect((await send(url, 'GET', '/ui')).status).toBe(401);
    await expect
      .poll(async () => (await send(url, 'GET', '/ui/api/queues', { headers: basic('admin', KEY) })).status)
      .toBe(200);
    expect((await send(url, 'GET', '/v1/stats', { key: KEY })).body).toEqual(STATS);
    expect((await send(url, 'GET', '/v1/stats', { key: READER })).status).toBe(403);
    expect((await send(url, 'POST', '/v1/jobs', { key: KEY, json: {} })).status).toBe(404);
  });

  it('serves metrics as Prometheus reads them, to administrators where METRICS_AUTH is on', async () => {
    const { url } = await useHealthServer({ API_KEYS, METRICS_AUTH: 'true' }, healthy);
    const answer = await send(url, 'GET', '/metrics', { key: KEY });
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.text).toBe(
      '# HELP a_total All.\n# TYPE a_total counter\na_total 3\n' +
        '# HELP b By kind.\n# TYPE b gauge\nb{kind="x\\"y",of="z"} 0.5\n',
    );
    const refused = await send(url, 'GET', '/metrics');
    expect([refused.status, problemSlug(refused)]).toEqual([401, 'unauthorized']);
    expect((await send(url, 'GET', '/metrics', { key: READER })).status).toBe(403);
    const open = await useHealthServer({ API_KEYS, METRICS_AUTH: 'false' }, healthy);
    expect((await send(open.url, 'GET', '/metrics')).text).toBe(answer.text);
  });

  it.each([
    ['in production', { NODE_ENV: 'production' }],
    ['beyond loopback', { HOST: '0.0.0.0' }],
  ] as [string, TestEnvironment][])('without keys %s serves health alone', async (_, environment) => {
    const { url } = await useHealthServer(environment, healthy);
    const headers = { host: 'worker-7.internal:3003' };
    expect((await send(url, 'GET', '/health', { headers })).status).toBe(200);
    expect((await send(url, 'GET', '/ui', { headers })).status).toBe(404);
    expect((await send(url, 'GET', '/v1/stats', { headers })).status).toBe(403);
    expect((await send(url, 'GET', '/v1/stats')).status).toBe(404);
    expect((await send(url, 'GET', '/metrics')).status).toBe(404);
  });

  it('stops as often as it is asked to', async () => {
    const { server, url } = await useHealthServer({}, healthy);
    await Promise.all([server.stop(), server.stop()]);
    await expect(send(url, 'GET', '/health/live')).rejects.toThrow(/ECONNREFUSED/);
  });
});
