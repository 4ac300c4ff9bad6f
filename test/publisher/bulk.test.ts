import { mongo } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { problemSlug } from '../http/http-client.ts';
import { KEYS, type TestPublisher, usePublisher } from './test-publisher.ts';

let api: TestPublisher;

beforeAll(async () => {
  api = await usePublisher();
});

const echo = (over: object = {}) => ({ type: 'test:echo', payload: {}, ...over });
const bulk = (jobs: unknown, headers: Record<string, string> = {}, key = KEYS.a) =>
  api.call('POST', '/v1/jobs/bulk', { key, json: { jobs }, headers });
const itemsOf = (body: Record<string, unknown>) => body.items as { id: string; type: string; status: string }[];
const count = () => api.jobs.countDocuments({});

describe('POST /v1/jobs/bulk', () => {
  it('stores all jobs in order', async () => {
    const before = await count();
    const answer = await bulk([
      echo({ priority: 1 }),
      { type: 'test:strict', payload: { to: [] } },
      echo({ priority: 2 }),
    ]);
    expect(answer.status).toBe(202);
    const items = itemsOf(answer.body);
    expect(items.map(({ type, status }) => [type, status])).toEqual([
      ['test:echo', 'pending'],
      ['test:strict', 'pending'],
      ['test:echo', 'pending'],
    ]);
    const jobs = await Promise.all(items.map(({ id }) => api.jobs.findOne({ _id: new mongo.ObjectId(id) })));
    expect(jobs.map(job => [job?.tenant, job?.queue, job?.priority])).toEqual([
      ['tenant-a', 'default', 1],
      ['tenant-a', 'slow', 5],
      ['tenant-a', 'default', 2],
    ]);
    expect(await count()).toBe(before + 3);
  });

  it('takes a thousand jobs', async () => {
    const answer = await bulk(Array.from({ length: 1_000 }, (_, n) => echo({ payload: { text: String(n) } })));
    expect(answer.status).toBe(202);
    expect(new Set(itemsOf(answer.body).map(item => item.id)).size).toBe(1_000);
  });

  it.each<[string, unknown, number, string, string[]]>([
    ['no job', [], 400, 'validation-error', ['/jobs']],
    ['1,001 jobs', Array.from({ length: 1_001 }, () => echo()), 400, 'validation-error', ['/jobs']],
    ['a wrong type', [echo(), { type: 5 }], 400, 'validation-error', ['/jobs/1/type']],
    [
      'several wrong items',
      [echo({ priority: 11 }), echo(), { type: 'test:strict', payload: { to: 'x' } }],
      400,
      'validation-error',
      ['/jobs/0/priority', '/jobs/2/payload/to'],
    ],
    ['a bad key', [echo({ idempotencyKey: 'a b' })], 400, 'validation-error', ['/jobs/0/idempotencyKey']],
    ['an item that is no object', [echo(), null], 400, 'validation-error', ['/jobs/1']],
  ])('stores nothing when there is %s', async (_, jobs, status, slug, pointers) => {
    const before = await count();
    const answer = await bulk(jobs);
    expect([answer.status, problemSlug(answer)]).toEqual([status, slug]);
    expect((answer.body.errors as { pointer: string }[]).map(error => error.pointer)).toEqual(pointers);
    expect(await count()).toBe(before);
  });

  it.each<[string, object, string, string]>([
    ['an unknown type', echo({ type: 'no:such' }), 'unknown-job-type', '/jobs/1/type'],
    ['an unknown lane', echo({ queue: 'nowhere' }), 'unknown-queue', '/jobs/1/queue'],
    [
      'a path that leads outside',
      { type: 'test:strict', payload: { path: '../x' } },
      'forbidden-path',
      '/jobs/1/payload/path',
    ],
  ])('stores nothing when a rule refuses %s', async (_, job, slug, pointer) => {
    const before = await count();
    const answer = await bulk([echo(), job]);
    expect([answer.status, problemSlug(answer), answer.body.pointer]).toEqual([422, slug, pointer]);
    expect(await count()).toBe(before);
  });

  it('replays known keys, refuses other bodies, and stores the rest in one go', async () => {
    const single = await api.submit({ priority: 1 }, { 'idempotency-key': 'bulk-1' });
    const first = await bulk([echo({ priority: 1, idempotencyKey: 'bulk-1' }), echo({ idempotencyKey: 'bulk-2' })]);
    expect(first.status).toBe(202);
    expect(itemsOf(first.body)[0]?.id).toBe(single);
    const again = await bulk([
      echo({ idempotencyKey: 'bulk-2' }),
      echo({ idempotencyKey: 'bulk-3' }),
      echo({ idempotencyKey: 'bulk-3' }),
    ]);
    const [second, third, fourth] = itemsOf(again.body);
    expect(second?.id).toBe(itemsOf(first.body)[1]?.id);
    expect(third?.id).toBe(fourth?.id);
    const hits = await api.jobs
      .find({ 'idempotency.key': /^bulk-/ })
      .sort({ 'idempotency.key': 1 })
      .toArray();
    expect(hits.map(job => [job.idempotency?.key, job.idempotency?.hits])).toEqual([
      ['bulk-1', 1],
      ['bulk-2', 1],
      ['bulk-3', 0],
    ]);
    const before = await count();
    const reused = await bulk([echo(), echo({ priority: 9, idempotencyKey: 'bulk-2' })]);
    expect([reused.status, problemSlug(reused)]).toEqual([422, 'idempotency-key-reused']);
    expect(reused.body.pointer).toBe('/jobs/1/idempotencyKey');
    expect(await count()).toBe(before);
  });

  it('refuses two bodies under one key of the same call', async () => {
    const answer = await bulk([echo({ idempotencyKey: 'twice' }), echo({ priority: 1, idempotencyKey: 'twice' })]);
    expect([answer.status, answer.body.pointer]).toEqual([422, '/jobs/1/idempotencyKey']);
    expect(await api.jobs.countDocuments({ 'idempotency.key': 'twice' })).toBe(0);
  });

  it('makes one job a key of many calls at once', async () => {
    const jobs = Array.from({ length: 5 }, (_, n) => echo({ idempotencyKey: `race-${n}` }));
    const answers = await Promise.all(Array.from({ length: 10 }, () => bulk(jobs)));
    const accepted = answers.filter(answer => answer.status === 202);
    expect(accepted.length).toBeGreaterThan(0);
    for (const answer of answers) expect([202, 503]).toContain(answer.status);
    expect(new Set(accepted.map(answer => JSON.stringify(itemsOf(answer.body).map(item => item.id)))).size).toBe(1);
    expect(await api.jobs.countDocuments({ 'idempotency.key': /^race-/ })).toBe(5);
  });

  it('keeps tenants apart', async () => {
    const a = await bulk([echo({ idempotencyKey: 'both' })]);
    const b = await bulk([echo({ priority: 2, idempotencyKey: 'both' })], {}, KEYS.b);
    expect(b.status).toBe(202);
    expect(itemsOf(b.body)[0]?.id).not.toBe(itemsOf(a.body)[0]?.id);
  });

  it('takes no key in the header', async () => {
    const answer = await bulk([echo()], { 'idempotency-key': 'x' });
    expect([answer.status, problemSlug(answer)]).toEqual([400, 'invalid-idempotency-key']);
  });

  it('limits a job to 1 MiB and the whole to 8 MiB', async () => {
    const text = (bytes: number) => echo({ payload: { text: 'x'.repeat(bytes) } });
    const fits = await bulk([text(700_000), text(700_000)]);
    expect(fits.status).toBe(202);
    const large = await bulk([echo(), text(1_048_576)]);
    expect([large.status, problemSlug(large), large.body.pointer]).toEqual([413, 'payload-too-large', '/jobs/1']);
    const whole = await bulk(Array.from({ length: 9 }, () => text(1_000_000)));
    expect([whole.status, problemSlug(whole)]).toEqual([413, 'payload-too-large']);
  });
});
