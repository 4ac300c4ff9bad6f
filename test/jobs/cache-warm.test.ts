import { Redis } from 'ioredis';
import { afterAll, afterEach, expect, test } from 'vitest';
import { openRedis } from '../../src/platform/redis.ts';
import { useRedis } from '../helpers/fixtures.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { handlerContext, handlerOf } from './handler-context.ts';
import { useWebServer } from './web-server.ts';

let hanging = 0;
const web = await useWebServer((request, response) => {
  if (request.url === '/hang') {
    hanging += 1;
    return;
  }
  if (request.url === '/big') return response.end(Buffer.alloc(1024 ** 2 + 1));
  if (request.url === '/redirect') return response.writeHead(302, { location: '/ok' }).end();
  const status = Number(/^\/status\/(\d+)/.exec(request.url ?? '')?.[1] ?? 200);
  response.writeHead(status).end(Buffer.from(`body of ${request.url}\xff`, 'latin1'));
});
const server = await useRedis();
const redis = server.client();
afterEach(() => redis.flushdb());

const run = handlerOf('cache:warm');
const context = (overrides: object = {}) => handlerContext({ redis, outgoing: { allowHosts: [web.host] } }, overrides);
const entry = (name: string, tenant = 'acme') => `ledgermq:cache:${tenant}:${name}`;

test('keeps the body of every URL, byte for byte, for the time that was asked for', async () => {
  const urls = Array.from({ length: 12 }, (_, index) => web.url(`/page/${index}`));
  const ctx = context();
  expect(await run({ urls, ttlSeconds: 100 }, ctx)).toEqual({ warmed: 12, failed: 0 });
  expect(await redis.getBuffer(entry(urls[11]!))).toEqual(Buffer.from('body of /page/11\xff', 'latin1'));
  expect(await redis.ttl(entry(urls[0]!))).toSatisfy((ttl: number) => ttl > 95 && ttl <= 100);
  expect(ctx.reported.at(-1)).toBe(100);
  expect(await redis.dbsize()).toBe(12);
});

test('counts and logs what fails: a wrong status, a redirect, too large a body, a private address', async () => {
  const urls = ['/ok', '/status/404', '/redirect', '/big'].map(path => web.url(path));
  const ctx = context();
  expect(await run({ urls: [...urls, 'http://127.0.0.1:1/'] }, ctx)).toEqual({ warmed: 1, failed: 4 });
  expect(ctx.logged).toHaveLength(4);
  expect(ctx.logged.join()).toContain('answered 404');
  expect(await redis.keys('*')).toEqual([entry(urls[0]!)]);
  expect(await redis.ttl(entry(urls[0]!))).toBeGreaterThan(3_500);
});

test('when everything fails the job fails, for good when no attempt can help', async () => {
  await expect(run({ urls: [web.url('/status/404')] }, context())).rejects.toMatchObject({ retry: false });
  await expect(run({ urls: [web.url('/status/404'), web.url('/status/503')] }, context())).rejects.toMatchObject({
    retry: true,
  });
  const before = web.connections();
  const strict = handlerContext({ redis, outgoing: { allowHosts: [] } });
  await expect(run({ urls: [web.url('/ok')] }, strict)).rejects.toMatchObject({
    name: 'FORBIDDEN_ADDRESS',
    retry: false,
  });
  expect(web.connections()).toBe(before);
});

test('lengthens the life of entries of its own tenant', async () => {
  await redis.set(entry('a'), '1', 'EX', 5);
  await redis.set(entry('b', 'other'), '1', 'EX', 5);
  expect(await run({ keys: ['a', 'b'], ttlSeconds: 500 }, context())).toEqual({ warmed: 1, failed: 1 });
  expect(await redis.ttl(entry('a'))).toBeGreaterThan(490);
  expect(await redis.ttl(entry('b', 'other'))).toBeLessThanOrEqual(5);
  await expect(run({ keys: ['b'] }, context())).rejects.toMatchObject({ retry: false });
});

test('works on a connection that was opened this moment', async () => {
  const { host, port } = server;
  const config = { host, port, db: 0, username: null, password: null, tls: false };
  await redis.set(entry('a'), '1', 'EX', 5);
  const fresh = openRedis(config, 'producer', () => undefined);
  afterAll(() => fresh.disconnect());
  expect(await run({ keys: ['a'] }, handlerContext({ redis: fresh }))).toEqual({ warmed: 1, failed: 0 });
});

test('without Redis the job fails and may be tried again', async () => {
  const away = new Redis({ host: '127.0.0.1', port: 1, maxRetriesPerRequest: 1, retryStrategy: () => 50 });
  away.on('error', () => undefined);
  afterAll(() => away.disconnect());
  const running = run(
    { urls: [web.url('/ok')] },
    handlerContext({ redis: away, outgoing: { allowHosts: [web.host] } }),
  );
  await expect(running).rejects.toThrow('Redis');
  await expect(running).rejects.not.toMatchObject({ retry: false });
});

test('an abort ends it at once with the signal’s reason', async () => {
  const ctx = context();
  const running = run({ urls: [web.url('/ok'), web.url('/hang'), web.url('/hang')] }, ctx);
  await waitFor(() => hanging === 2, { what: 'both requests' });
  const reason = new Error('cancel');
  ctx.abort(reason);
  await expect(running).rejects.toBe(reason);
});
