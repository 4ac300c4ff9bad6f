import { mongo } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JobDocument, JobStatus } from '../../src/pipeline/store/job-document.ts';
import { newJobDocument } from '../helpers/job-document.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { problemSlug } from '../http/http-client.ts';
import { KEYS, type TestPublisher, usePublisher } from './test-publisher.ts';

let api: TestPublisher;

beforeAll(async () => {
  api = await usePublisher();
});

/** A job in this status, as the pipeline leaves it. Its lease outlives the test, so that no sweeper meddles. */
async function jobIn(status: JobStatus, over: Partial<JobDocument> = {}): Promise<JobDocument> {
  const lease = { token: new mongo.ObjectId(), owner: 'host:9:worker', beatAt: new Date(), leaseMs: 3_600_000 };
  const ended = { runKey: new mongo.ObjectId(), finishedAt: new Date(), expireAt: new Date(Date.now() + 86_400_000) };
  const job = newJobDocument({
    tenant: 'tenant-a',
    type: 'test:echo',
    status,
    runSeq: 3,
    ...(status === 'queued' ? lease : {}),
    ...(status === 'processing' ? { ...lease, runKey: new mongo.ObjectId(), startedAt: new Date() } : {}),
    ...(status === 'completed' || status === 'failed' || status === 'cancelled' ? ended : {}),
    ...over,
  });
  await api.jobs.insertOne(job);
  return job;
}

const operate = (job: JobDocument, operation: string, key = KEYS.a) =>
  api.call('POST', `/v1/jobs/${job._id.toHexString()}/${operation}`, { key });
const remove = (job: JobDocument, query = '') =>
  api.call('DELETE', `/v1/jobs/${job._id.toHexString()}${query}`, { key: KEYS.a });
const stored = (job: JobDocument) => api.jobs.findOne({ _id: job._id });
const LEASE = ['token', 'owner', 'beatAt', 'leaseMs', 'suspectAt'];

describe('cancel', () => {
  it.each(['pending', 'queued'] as const)('ends a %s job (U1)', async status => {
    const job = await jobIn(status, { startBy: new Date(Date.now() + 3_600_000) });
    const answer = await operate(job, 'cancel');
    expect([answer.status, answer.body.status]).toEqual([200, 'cancelled']);
    const now = await stored(job);
    expect(now).toMatchObject({ status: 'cancelled', historySeq: 2, runSeq: 3 });
    expect(now?.history?.at(-1)).toMatchObject({ from: status, to: 'cancelled', via: 'U1', runSeq: 3 });
    expect(now?.finishedAt).toBeInstanceOf(Date);
    expect(now!.expireAt!.getTime()).toBeGreaterThan(Date.now() + 86_400_000);
    for (const field of [...LEASE, 'startBy']) expect(now).not.toHaveProperty(field);
  });

  it('asks a running job to stop (U2) and changes nothing else', async () => {
    const job = await jobIn('processing');
    const answer = await operate(job, 'cancel');
    expect([answer.status, answer.body.status]).toEqual([202, 'processing']);
    const now = await stored(job);
    expect(now?.cancelRequestedAt).toBeInstanceOf(Date);
    expect(now?.history?.at(-1)).toMatchObject({ from: 'processing', to: 'processing', via: 'U2', runSeq: 3 });
    for (const field of ['token', 'owner', 'runKey', 'beatAt'] as const) expect(now?.[field]).toEqual(job[field]);
  });

  it('takes an empty JSON body, and one without content', async () => {
    const [one, two] = [await jobIn('pending'), await jobIn('pending')];
    const path = (job: JobDocument) => `/v1/jobs/${job._id.toHexString()}/cancel`;
    expect((await api.call('POST', path(one), { key: KEYS.a, json: {} })).status).toBe(200);
    const headers = { 'content-type': 'application/json' };
    expect((await api.call('POST', path(two), { key: KEYS.a, raw: '', headers })).status).toBe(200);
  });

  it('is won by one of many at once', async () => {
    const job = await jobIn('pending');
    const answers = await Promise.all(Array.from({ length: 10 }, () => operate(job, 'cancel')));
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(1);
    expect(answers.filter(answer => answer.status === 409)).toHaveLength(9);
    expect((await stored(job))?.historySeq).toBe(2);
  });

  it('counts what it cancelled', async () => {
    const job = await jobIn('pending', { tenant: 'tenant-b' });
    await operate(job, 'cancel', KEYS.b);
    await waitFor(() => api.database.db.collection('counters').findOne({ tenant: 'tenant-b', cancelled: 1 }), {
      what: 'the counter of cancelled jobs',
    });
  });

  it('cancels a job that others inserted with nothing but the contract', async () => {
    const _id = new mongo.ObjectId();
    const foreign = {
      type: 'test:echo',
      queue: 'default',
      status: 'pending',
      priority: 5,
      tenant: 'tenant-a',
      payload: {},
    };
    await api.database.db.collection('jobs').insertOne({ _id, ...foreign, runAt: new Date(Date.now() + 60_000) });
    const answer = await api.call('POST', `/v1/jobs/${_id.toHexString()}/cancel`, { key: KEYS.a });
    expect(answer.body).toMatchObject({ status: 'cancelled', maxRetries: null, runSeq: 1, tags: [] });
  });
});

describe('retry', () => {
  it.each(['failed', 'cancelled'] as const)('gives a %s job a new life (U3)', async status => {
    const error = { name: 'Error', message: 'no', attempt: 4, retryable: true, at: new Date(), stack: 'secret stack' };
    const job = await jobIn(status, {
      runs: 5,
      failures: 4,
      crashes: 1,
      isolatedRescues: 2,
      errors: [error],
      result: 1,
      progress: 50,
      cancelRequestedAt: new Date(),
    });
    const answer = await operate(job, 'retry');
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ status: 'pending', runSeq: 4, attempt: 1, error: null, result: null });
    const now = await stored(job);
    expect(now).toMatchObject({ status: 'pending', runs: 0, failures: 0, crashes: 0, isolatedRescues: 0, runSeq: 4 });
    expect(now?.history?.at(-1)).toMatchObject({ from: status, to: 'pending', via: 'U3', runSeq: 4 });
    expect(now!.runAt.getTime()).toBeGreaterThanOrEqual(job.runAt.getTime());
    const gone = ['runKey', 'finishedAt', 'expireAt', 'cancelRequestedAt', 'errors', 'result', 'progress', 'startBy'];
    for (const field of [...LEASE, ...gone]) expect(now).not.toHaveProperty(field);
  });

  it('is done once by many at once', async () => {
    const job = await jobIn('failed');
    const answers = await Promise.all(Array.from({ length: 10 }, () => operate(job, 'retry')));
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(1);
    expect((await stored(job))?.runSeq).toBe(4);
  });
});

describe('delete', () => {
  it.each(['pending', 'queued', 'completed', 'failed', 'cancelled'] as const)('removes a %s job (U5)', async status => {
    const job = await jobIn(status);
    const answer = await remove(job);
    expect([answer.status, answer.body.status]).toEqual([200, status]);
    expect(await stored(job)).toBeNull();
    expect((await remove(job)).status).toBe(404);
  });

  it('keeps a job whose webhook delivery is due, unless forced', async () => {
    const job = await jobIn('completed');
    await api.database.db.collection('jobs').updateOne({ _id: job._id }, { $set: { deliveries: [{ state: 'due' }] } });
    const answer = await remove(job);
    expect([answer.status, problemSlug(answer)]).toEqual([409, 'invalid-state']);
    expect((await remove(job, '?force=true')).status).toBe(200);
  });
});

describe('a job in another state', () => {
  it.each([
    ['cancel', 'completed'],
    ['cancel', 'failed'],
    ['cancel', 'cancelled'],
    ['retry', 'completed'],
    ['retry', 'pending'],
    ['retry', 'queued'],
    ['retry', 'processing'],
    ['delete', 'processing'],
  ] as [string, JobStatus][])('%s of a %s job is a 409', async (operation, status) => {
    const job = await jobIn(status);
    const answer = operation === 'delete' ? await remove(job) : await operate(job, operation);
    expect([answer.status, problemSlug(answer), answer.body.currentStatus]).toEqual([409, 'invalid-state', status]);
    expect(await stored(job)).toEqual(job);
  });
});

describe('GET /v1/jobs/:id', () => {
  const history = [
    { at: new Date(), from: 'pending' as const, to: 'queued' as const, by: 'host:9:loader', via: 'T1' },
    { at: new Date(), from: 'queued' as const, to: 'processing' as const, by: 'host:9:runner', via: 'T3' },
    { at: new Date(), from: 'processing' as const, to: 'failed' as const, by: 'host:9:runner', via: 'T7' },
  ];

  it('shows a failed job, its last error, and the process that ran it', async () => {
    const error = {
      name: 'timeout',
      message: 'too slow',
      attempt: 2,
      retryable: true,
      at: new Date(),
      stack: 'at x.ts:1',
    };
    const started = new Date(Date.now() - 1_500);
    const job = await jobIn('failed', {
      failures: 2,
      runs: 2,
      history,
      startedAt: started,
      errors: [{ ...error, attempt: 1 }, error],
      idempotency: { key: 'k', fingerprint: 'f'.repeat(64), hits: 0 },
    });
    const { body } = await api.call('GET', `/v1/jobs/${job._id.toHexString()}`, { key: KEYS.a });
    expect(body).toMatchObject({
      attempt: 2,
      durationMs: job.finishedAt!.getTime() - started.getTime(),
      workerId: 'host:9:runner',
      error: { name: 'timeout', message: 'too slow', attempt: 2, retryable: true, at: error.at.toISOString() },
    });
    expect(Object.keys(body.error as object)).not.toContain('stack');
    const secrets = [
      'token',
      'runKey',
      'beatAt',
      'leaseMs',
      'owner',
      'suspectAt',
      'fingerprint',
      'idempotency',
      'v',
      '_id',
    ];
    for (const field of secrets) expect(Object.keys(body)).not.toContain(field);
    const asAdmin = await api.call('GET', `/v1/jobs/${job._id.toHexString()}`, { key: KEYS.admin });
    expect(asAdmin.body.error).toMatchObject({ stack: 'at x.ts:1' });
  });

  it('names the holder of a running job', async () => {
    const job = await jobIn('processing', { failures: 1 });
    const { body } = await api.call('GET', `/v1/jobs/${job._id.toHexString()}`, { key: KEYS.a });
    expect(body).toMatchObject({ attempt: 2, workerId: 'host:9:worker', finishedAt: null, durationMs: null });
  });
});
