import { mongo } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../src/pipeline/submit/fingerprint.ts';
import { jobSchema } from '../../src/publisher/job-view.ts';
import { useRedis } from '../helpers/fixtures.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { problemSlug } from '../http/http-client.ts';
import { KEYS, type TestPublisher, usePublisher } from './test-publisher.ts';

let api: TestPublisher;
let redis: TestRedis;

beforeAll(async () => {
  redis = await useRedis();
  api = await usePublisher({ redisPort: redis.port });
});

const post = (json: unknown, headers: Record<string, string> = {}, key = KEYS.a) =>
  api.call('POST', '/v1/jobs', { key, json, headers });
const stored = (id: unknown) => api.jobs.findOne({ _id: new mongo.ObjectId(String(id)) });

describe('POST /v1/jobs', () => {
  it('stores a job with the defaults of its type and answers it', async () => {
    const answer = await post({ type: 'test:strict', payload: { to: ['x'] }, tags: ['one'], metadata: { order: 7 } });
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`/v1/jobs/${String(answer.body.id)}`);
    expect(jobSchema.strict().parse(answer.body)).toMatchObject({
      type: 'test:strict',
      status: 'pending',
      queue: 'slow',
      priority: 5,
      tenant: 'tenant-a',
      payload: { to: ['x'] },
      tags: ['one'],
      attempt: 1,
      maxRetries: 7,
      error: null,
      runs: 0,
      runSeq: 1,
      workerId: null,
    });
    const job = await stored(answer.body.id);
    expect(job).toMatchObject({
      v: 1,
      version: 1,
      status: 'pending',
      metadata: { order: 7 },
      maxRetries: 7,
      retry: { strategy: 'linear', delayMs: 250, jitter: 0.5 },
      timeoutMs: 1_234,
      runs: 0,
      failures: 0,
      crashes: 0,
      isolatedRescues: 0,
      queuedRefreshes: 0,
      runSeq: 1,
      historySeq: 1,
    });
    expect(job?.history).toMatchObject([{ from: null, to: 'pending', via: 'T0', runSeq: 1 }]);
    expect(job?.runAt).toEqual(job?.createdAt);
    expect(job).not.toHaveProperty('idempotency');
    expect(job).not.toHaveProperty('startBy');
  });

  it('lets the caller override what the type says', async () => {
    const answer = await post({
      type: 'test:strict',
      payload: { to: [] },
      queue: 'default',
      priority: 10,
      maxRetries: 0,
      retry: { delayMs: 9, maxDelayMs: 99 },
      timeoutMs: 50,
    });
    expect(await stored(answer.body.id)).toMatchObject({
      queue: 'default',
      priority: 10,
      maxRetries: 0,
      retry: { strategy: 'linear', delayMs: 9, jitter: 0.5, maxDelayMs: 99 },
      timeoutMs: 50,
    });
  });

  it('reads runAt, delayMs and startByMs on the clock of MongoDB', async () => {
    const delayed = await stored(
      (await post({ type: 'test:echo', payload: {}, delayMs: 60_000, startByMs: 1_000 })).body.id,
    );
    expect(delayed!.runAt.getTime() - delayed!.createdAt.getTime()).toBe(60_000);
    expect(delayed!.startBy!.getTime() - delayed!.runAt.getTime()).toBe(1_000);
    const planned = await post({ type: 'test:echo', payload: {}, runAt: '2027-03-01T12:00:00+02:00' });
    expect(planned.body.runAt).toBe('2027-03-01T10:00:00.000Z');
  });

  it('keeps the payload exactly as it was sent', async () => {
    const payload = {
      text: '$token',
      nested: { '': [1.5, -0, null, { deep: 'é\u2028' }] },
      big: 2 ** 53,
    };
    const id = await api.submit({ payload });
    const read = await api.call('GET', `/v1/jobs/${id}`, { key: KEYS.a });
    expect(JSON.stringify(read.body.payload)).toBe(JSON.stringify(payload));
  });

  it('wakes a loader of the lane', async () => {
    const key = '{ledger}:app-queue:wake';
    const client = redis.client();
    await client.del(key);
    await post({ type: 'test:strict', payload: { to: [] } });
    const tokens = await waitFor(async () => (await client.llen(key)) > 0 && client.lrange(key, 0, -1), {
      what: 'a token on the wake list',
    });
    expect(tokens).toEqual(['slow']);
  });
});

describe('Idempotency-Key', () => {
  const body = { type: 'test:echo', payload: { text: 'once' }, priority: 3 };

  it('answers a repeated body with the first job, whatever the order of its keys', async () => {
    const first = await post(body, { 'idempotency-key': 'order-1' });
    const again = await post(
      { priority: 3, payload: { text: 'once' }, type: 'test:echo' },
      { 'idempotency-key': 'order-1' },
    );
    expect([first.status, first.headers['idempotency-replayed']]).toEqual([202, undefined]);
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([200, 'true']);
    expect(again.body.id).toBe(first.body.id);
    expect(again.headers.location).toBe(first.headers.location);
    const job = await stored(first.body.id);
    expect(job?.idempotency).toEqual({ key: 'order-1', fingerprint: fingerprintOf(body), hits: 1 });
  });

  it('refuses another body', async () => {
    await post(body, { 'idempotency-key': 'order-2' });
    const answer = await post({ ...body, priority: 4 }, { 'idempotency-key': 'order-2' });
    expect([answer.status, problemSlug(answer)]).toEqual([422, 'idempotency-key-reused']);
  });

  it('belongs to a tenant', async () => {
    const a = await post(body, { 'idempotency-key': 'shared' });
    const b = await post({ ...body, priority: 9 }, { 'idempotency-key': 'shared' }, KEYS.b);
    expect(b.status).toBe(202);
    expect(b.body.id).not.toBe(a.body.id);
  });

  it('is free again when its job was deleted', async () => {
    const first = await post(body, { 'idempotency-key': 'freed' });
    await api.call('DELETE', `/v1/jobs/${String(first.body.id)}`, { key: KEYS.a });
    const second = await post({ ...body, priority: 4 }, { 'idempotency-key': 'freed' });
    expect(second.status).toBe(202);
    expect(second.body.id).not.toBe(first.body.id);
  });

  it('makes one job of 50 requests at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(body, { 'idempotency-key': 'storm' })));
    expect(answers.filter(answer => answer.status === 202)).toHaveLength(1);
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(49);
    expect(new Set(answers.map(answer => answer.body.id)).size).toBe(1);
    const jobs = await api.jobs.find({ 'idempotency.key': 'storm' }).toArray();
    expect(jobs.map(job => job.idempotency?.hits)).toEqual([49]);
  });

  it.each(['k'.repeat(256), 'with space', 'é', ''])('refuses %j', async key => {
    const answer = await post(body, { 'idempotency-key': Buffer.from(key).toString('latin1') });
    expect([answer.status, problemSlug(answer)]).toEqual([400, 'invalid-idempotency-key']);
  });
});
