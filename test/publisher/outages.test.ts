import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { startPublisher } from '../../src/publisher/publisher.ts';
import { testConfig } from '../helpers/config.ts';
import { atEnd, useOwnMongo, useRedis } from '../helpers/fixtures.ts';
import { freePort } from '../helpers/free-port.ts';
import { freshDatabase } from '../helpers/mongo.ts';
import { promised } from '../helpers/promised.ts';
import { startRedis } from '../helpers/redis.ts';
import { TcpProxy } from '../helpers/tcp-proxy.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { basic, problemSlug } from '../http/http-client.ts';
import { KEYS, registry, type TestPublisher, usePublisher } from './test-publisher.ts';

const job = (text = '') => ({ type: 'test:echo', payload: { text } });
async function proxyTo(target: number): Promise<TcpProxy> {
  const proxy = new TcpProxy();
  await proxy.start({ target });
  atEnd(() => proxy.stop());
  return proxy;
}

const post = (api: TestPublisher, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/jobs', { key: KEYS.a, json: job(), headers });

/** The median says what a request costs; a busy machine makes single ones slow. */
async function medianMs(times: number, request: () => Promise<{ status: number; ms: number }>): Promise<number> {
  const all: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const { status, ms } = await request();
    expect(status).toBe(202);
    all.push(ms);
  }
  return all.sort((a, b) => a - b)[Math.floor(times / 2)]!;
}

describe('Redis is away', () => {
  it('when the publisher starts: it takes jobs, is ready, and finds Redis when it comes', async () => {
    const port = await freePort();
    const api = await usePublisher({ redisPort: port });
    expect(await medianMs(15, () => post(api))).toBeLessThan(promised(100));
    expect((await api.call('GET', '/health')).status).toBe(200);
    const { body } = await api.call('GET', '/v1/stats', { key: KEYS.admin });
    expect(body).toMatchObject({
      jobs: { pending: 15 },
      queue: { waiting: 0, active: 0, completed: 0, failed: 0 },
      connections: { mongo: 'connected', redis: 'disconnected' },
    });
    const board = await api.call('GET', '/ui/api/queues', { headers: basic('admin', KEYS.admin) });
    expect([board.status, problemSlug(board)]).toEqual([503, 'engine-unavailable']);
    const redis = await startRedis({ port });
    atEnd(() => redis.stop());
    await waitFor(
      async () => {
        const stats = await api.call('GET', '/v1/stats', { key: KEYS.admin });
        return (stats.body.connections as { redis: string }).redis === 'connected';
      },
      { what: 'the publisher to find Redis' },
    );
  });

  it('and keeps its connections open without a word: no submit waits', async () => {
    const redis = await useRedis();
    const proxy = await proxyTo(redis.port);
    const api = await usePublisher({ redisPort: proxy.port });
    await waitFor(() => proxy.connections > 0, { what: 'a connection to Redis' });
    proxy.blackhole();
    expect(await medianMs(15, () => post(api))).toBeLessThan(promised(100));
  });
});

describe('MongoDB is away', () => {
  it('a submit is a 503 in time; repeated with its key after the return it makes one job', async () => {
    const server = await useOwnMongo();
    const database = await freshDatabase(server.uri);
    atEnd(() => database.client.close());
    const api = await usePublisher({ database });
    await server.pause();
    const [answer, ready, read] = await Promise.all([
      post(api, { 'idempotency-key': 'through-an-outage' }),
      api.call('GET', '/health/ready'),
      api.call('GET', '/v1/jobs/ffffffffffffffffffffffff', { key: KEYS.a }),
    ]);
    for (const failed of [answer, read]) {
      expect([failed.status, problemSlug(failed)]).toEqual([503, 'storage-unavailable']);
      expect(failed.headers['retry-after']).toMatch(/^\d+$/);
      expect(failed.ms).toBeLessThan(5_000 + promised(1_000));
    }
    expect([ready.status, problemSlug(ready)]).toEqual([503, 'not-ready']);
    expect(ready.text).not.toMatch(/mongodb:|127\.0\.0\.1|@/);
    expect((await api.call('GET', '/health/live')).status).toBe(200);
    await server.resume();
    const repeated = await waitFor(
      async () => {
        const again = await post(api, { 'idempotency-key': 'through-an-outage' });
        return again.status < 300 && again;
      },
      { what: 'MongoDB to be back', intervalMs: 200 },
    );
    expect([200, 202]).toContain(repeated.status);
    expect(await api.jobs.countDocuments({ 'idempotency.key': 'through-an-outage' })).toBe(1);
    await waitFor(async () => (await api.call('GET', '/health')).status === 200, {
      what: 'the publisher to be ready',
      intervalMs: 200,
    });
  });

  it('a killed server is a 503 in time, and what was accepted before is there after', async () => {
    const server = await useOwnMongo();
    const database = await freshDatabase(server.uri);
    atEnd(() => database.client.close());
    const api = await usePublisher({ database });
    const id = await api.submit();
    await server.kill9();
    const bulk = () => api.call('POST', '/v1/jobs/bulk', { key: KEYS.a, json: { jobs: [job(), job()] } });
    for (const answer of [await bulk(), ...(await Promise.all([post(api), bulk(), bulk(), post(api)]))]) {
      expect([answer.status, problemSlug(answer)]).toEqual([503, 'storage-unavailable']);
      expect(answer.ms).toBeLessThan(5_000 + promised(1_000));
    }
    await server.restart();
    const read = await waitFor(
      async () => {
        const again = await api.call('GET', `/v1/jobs/${id}`, { key: KEYS.a });
        return again.status === 200 && again;
      },
      { what: 'the job to be readable again', intervalMs: 200 },
    );
    expect(read.body.id).toBe(id);
  });

  it('at the start is an error, and nothing stays open', async () => {
    const config = testConfig({
      mongo: { uri: `mongodb://127.0.0.1:${await freePort()}/x?replicaSet=rs0` },
      redis: { port: await freePort() },
    });
    const logger = createLogger({ level: 'silent', name: 'test' });
    await expect(startPublisher({ config, registry, logger })).rejects.toThrow();
  });
});

describe('a reply of MongoDB is lost', () => {
  /** A publisher whose connections to MongoDB run through a proxy. */
  async function proxied() {
    const server = await useOwnMongo();
    const database = await freshDatabase(server.uri);
    atEnd(() => database.client.close());
    const proxy = await proxyTo(server.port);
    const mongoUri = `mongodb://127.0.0.1:${proxy.port}/${database.name}?directConnection=true`;
    return { proxy, api: await usePublisher({ database, mongoUri }) };
  }

  it('to an insert: the job is accepted and there once', async () => {
    const { proxy, api } = await proxied();
    let lost = 0;
    proxy.dropReplies(({ request }) => request.includes('insert') && request.includes('test:echo') && lost++ === 0);
    const answer = await post(api);
    expect(proxy.dropped).toBe(1);
    expect(answer.status).toBe(202);
    expect(await api.jobs.countDocuments({})).toBe(1);
    expect((await api.call('GET', '/health')).status).toBe(200);
  });

  it('to the commit of a bulk: all jobs are accepted and there once', async () => {
    const { proxy, api } = await proxied();
    let lost = 0;
    proxy.dropReplies(({ request }) => request.includes('commitTransaction') && lost++ === 0);
    const jobs = Array.from({ length: 5 }, (_, n) => job(String(n)));
    const answer = await api.call('POST', '/v1/jobs/bulk', { key: KEYS.a, json: { jobs } });
    expect(proxy.dropped).toBe(1);
    expect(answer.status).toBe(202);
    expect(await api.jobs.countDocuments({})).toBe(5);
  });
});

describe('stop', () => {
  it('still answers a request that is arriving, may be repeated, and leaves nothing open', async () => {
    const api = await usePublisher();
    const content = JSON.stringify(job());
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEYS.a}\r\n` +
        `content-type: application/json\r\ncontent-length: ${content.length}\r\n\r\n${content.slice(0, 9)}`,
    );
    // Another request that is answered: the server has seen the first one by then.
    expect((await api.call('GET', '/health/live')).status).toBe(200);
    const stopped = Promise.all([api.publisher.stop(), api.publisher.stop()]);
    socket.write(content.slice(9));
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 202 /);
    await stopped;
    await api.publisher.stop();
    await expect(post(api)).rejects.toThrow(/ECONNREFUSED/);
  });
});
