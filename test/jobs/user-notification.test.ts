import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createJobServices } from '../../src/jobs/services/create-job-services.ts';
import type { NotificationDocument } from '../../src/jobs/services/notification-store.ts';
import { testConfig } from '../helpers/config.ts';
import { useDatabase, useSmtpSink } from '../helpers/fixtures.ts';
import { handlerContext, handlerOf } from './handler-context.ts';
import { useWebServer } from './web-server.ts';

// 'none': the servers were not asked for, as in `npm run check:tree` (test/helpers/global-setup.ts).
describe.skipIf(process.env.TEST_MONGO_URI === 'none')('user:notification', async () => {
  const calls: { key: string | undefined; body: unknown }[] = [];
  let status = 204;
  const web = await useWebServer((request, response) => {
    let text = '';
    request.on('data', chunk => {
      text += chunk;
    });
    request.on('end', () => {
      calls.push({ key: request.headers['idempotency-key'] as string | undefined, body: JSON.parse(text) });
      if (status === 0) return;
      response.writeHead(status, { location: '/elsewhere' }).end();
    });
  });
  const database = process.env.TEST_MONGO_URI === 'none' ? null : await useDatabase();
  const sink = await useSmtpSink();
  const config = testConfig(
    { mongo: { uri: database?.uri ?? 'mongodb://127.0.0.1:1/x' }, redis: { port: 1 } },
    { SMTP_URL: sink.url, WEBHOOK_ALLOW_HOSTS: web.host },
  );
  const redis = () => {
    throw new Error('not used');
  };
  const { services, close } = createJobServices({ config, db: () => database!.db, redis });
  afterAll(close);
  beforeEach(() => {
    calls.length = 0;
    sink.mails.length = 0;
    sink.mode = 'accept';
    status = 204;
  });

  const run = handlerOf('user:notification');
  const stored = (jobId: string) =>
    database!.db.collection<NotificationDocument>('notifications').findOne({ _id: jobId });
  const note = { userId: 'u1', title: 'News', body: 'Something <b>happened' };

  test('inapp is stored once, however often the job runs', async () => {
    const ctx = handlerContext(services);
    const data = { link: '/orders/1', $set: { 'a.b': 1 } };
    const result = { notificationId: ctx.jobId, channel: 'inapp', delivered: true };
    expect(await run({ ...note, channel: 'inapp', data }, ctx)).toEqual(result);
    const first = await stored(ctx.jobId);
    expect(first).toMatchObject({ tenant: 'acme', ...note, channel: 'inapp', data, readAt: null });
    expect(first?.deliveredAt).toBeInstanceOf(Date);
    expect(await run({ ...note, channel: 'inapp', data }, ctx)).toEqual(result);
    expect(await stored(ctx.jobId)).toEqual(first);
    expect(await database!.db.collection('notifications').countDocuments({ _id: ctx.jobId as never })).toBe(1);
  });

  test('email goes to data.email, else to a userId that is an address; a later run sends nothing', async () => {
    const ctx = handlerContext(services);
    const payload = { ...note, channel: 'email', data: { email: 'ann@example.com' } };
    await run(payload, ctx);
    await run(payload, ctx);
    await run({ ...note, channel: 'email', userId: 'bob@example.com' }, handlerContext(services));
    expect(sink.mails.map(mail => [mail.to[0], mail.subject])).toEqual([
      ['ann@example.com', 'News'],
      ['bob@example.com', 'News'],
    ]);
    expect(sink.mails[0]!.raw).toContain('Something &lt;b&gt;happened');
    expect((await stored(ctx.jobId))?.deliveredAt).toBeInstanceOf(Date);
  });

  test('webhook is a POST that carries the job’s id; a failed one is repeated by the next run', async () => {
    const ctx = handlerContext(services);
    const payload = { ...note, channel: 'webhook', data: { url: web.url('/hook'), extra: 1 } };
    status = 503;
    await expect(run(payload, ctx)).rejects.toMatchObject({ message: /503/, retry: true });
    expect((await stored(ctx.jobId))?.deliveredAt).toBeNull();
    status = 200;
    await run(payload, ctx);
    await run(payload, ctx);
    expect(calls).toHaveLength(2);
    expect(calls[1]).toEqual({ key: ctx.jobId, body: { id: ctx.jobId, ...note, data: payload.data } });
    expect((await stored(ctx.jobId))?.deliveredAt).toBeInstanceOf(Date);
  });

  test.each([301, 400, 410])('webhook: %s will not get better', async answer => {
    status = answer;
    const job = run({ ...note, channel: 'webhook', data: { url: web.url('/hook') } }, handlerContext(services));
    await expect(job).rejects.toMatchObject({ message: new RegExp(String(answer)), retry: false });
    expect(calls).toHaveLength(1);
  });

  test('webhook: a private address is refused without a connection', async () => {
    const before = web.connections();
    const ctx = handlerContext({ db: database!.db, outgoing: { allowHosts: [] } });
    const job = run({ ...note, channel: 'webhook', data: { url: `http://localhost:${web.port}/` } }, ctx);
    await expect(job).rejects.toMatchObject({ name: 'FORBIDDEN_ADDRESS', retry: false });
    expect(web.connections()).toBe(before);
  });

  test('an abort ends a delivery that hangs', async () => {
    status = 0;
    const ctx = handlerContext(services);
    const job = run({ ...note, channel: 'webhook', data: { url: web.url('/hook') } }, ctx);
    await expect.poll(() => calls.length).toBe(1);
    const reason = new Error('timeout');
    ctx.abort(reason);
    await expect(job).rejects.toBe(reason);
  });
});
