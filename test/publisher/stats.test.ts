import { mongo } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { statsSchema } from '../../src/http/stats-route.ts';
import type { CounterDocument } from '../../src/pipeline/store/outcome-counters.ts';
import { newJobDocument } from '../helpers/job-document.ts';
import { KEYS, type TestPublisher, usePublisher } from './test-publisher.ts';

let api: TestPublisher;

beforeAll(async () => {
  api = await usePublisher();
  const held = { beatAt: new Date(), leaseMs: 3_600_000, token: new mongo.ObjectId() };
  const a = { tenant: 'tenant-a' };
  await api.jobs.insertMany([
    newJobDocument(a),
    newJobDocument({ ...a, runAt: new Date(Date.now() + 60_000) }),
    newJobDocument({ ...a, status: 'queued', ...held }),
    newJobDocument({ ...a, status: 'processing', runKey: new mongo.ObjectId(), ...held }),
    newJobDocument({ ...a, status: 'completed', finishedAt: new Date() }),
    newJobDocument({ tenant: 'tenant-b' }),
  ]);
  await api.database.db.collection<CounterDocument>('counters').insertMany([
    { _id: '2026-01-01:tenant-a', day: '2026-01-01', tenant: 'tenant-a', completed: 40, failed: 2 },
    { _id: '2026-01-02:tenant-a', day: '2026-01-02', tenant: 'tenant-a', completed: 2 },
    { _id: '2026-01-02:tenant-b', day: '2026-01-02', tenant: 'tenant-b', failed: 5, cancelled: 9 },
  ]);
});

describe('GET /v1/stats', () => {
  it('has exactly the shape of getStats(), of all tenants for an administrator', async () => {
    const { status, body } = await api.call('GET', '/v1/stats', { key: KEYS.admin });
    expect(status).toBe(200);
    expect(statsSchema.strict().parse(body)).toEqual({
      worker: null,
      jobs: { pending: 4, processing: 1, completed: 42, failed: 7 },
      queue: { waiting: 0, active: 0, completed: 0, failed: 0 },
      connections: { mongo: 'connected', redis: 'connected' },
    });
    expect(await api.publisher.getStats()).toEqual(body);
  });

  it('counts a tenant alone for its own keys', async () => {
    const { body } = await api.call('GET', '/v1/stats', { key: KEYS.reader });
    expect(body.jobs).toEqual({ pending: 3, processing: 1, completed: 42, failed: 2 });
    const other = await api.call('GET', '/v1/stats', { key: KEYS.b });
    expect(other.body.jobs).toEqual({ pending: 1, processing: 0, completed: 0, failed: 5 });
  });
});

describe('GET /v1/job-types', () => {
  it('describes every type with JSON Schema', async () => {
    const { body } = await api.call('GET', '/v1/job-types', { key: KEYS.reader });
    const items = body.items as Record<string, unknown>[];
    expect(items.map(item => item.type)).toEqual(['test:echo', 'test:strict']);
    expect(items[0]).toMatchObject({
      version: 1,
      queue: 'default',
      maxRetries: 3,
      retry: { strategy: 'exponential', delayMs: 1_000 },
      timeoutMs: 300_000,
      result: { type: 'object', properties: { text: { type: 'string' } } },
    });
    expect(items[1]).toMatchObject({
      queue: 'slow',
      maxRetries: 7,
      retry: { strategy: 'linear', delayMs: 250, jitter: 0.5 },
      timeoutMs: 1_234,
      result: null,
      payload: { type: 'object', required: ['to'], additionalProperties: false },
    });
  });
});
