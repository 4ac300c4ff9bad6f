import { beforeEach, describe, expect, it } from 'vitest';
import { atEnd, useOwnMongo, useRedis } from '../helpers/fixtures.ts';
import { freshDatabase, type OwnMongo } from '../helpers/mongo.ts';
import { promised } from '../helpers/promised.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { Stories } from '../helpers/stories.ts';
import { waitFor } from '../helpers/wait-for.ts';

let stories: Stories;
let server: OwnMongo;
let redis: TestRedis;

beforeEach(async () => {
  server = await useOwnMongo();
  redis = await useRedis({ aof: true });
  const database = await freshDatabase(server.uri);
  atEnd(() => database.drop().catch(() => undefined));
  stories = new Stories({ mongo: database, redis }, database.db);
});

interface Answer {
  status: number;
  ms: number;
  id: string | undefined;
  retryAfter: string | null;
}

async function post(url: string, payload: object): Promise<Answer> {
  const since = performance.now();
  const response = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'story:wait', payload }),
  });
  const body = (await response.json()) as { id?: string };
  return {
    status: response.status,
    ms: performance.now() - since,
    id: body.id,
    retryAfter: response.headers.get('retry-after'),
  };
}

const allCompleted = (count: number) =>
  waitFor(() => stories.jobs.countDocuments({ status: 'completed' }).then(n => n === count), {
    what: `${count} jobs to complete`,
  });

describe('Redis is away', () => {
  it('POST still answers 202 at once, the worker says that it is not ready, and everything completes after', async () => {
    const { url } = await stories.startApi();
    const worker = await stories.startWorker();
    const started = await worker.waitForLine(line => typeof line.log.healthPort === 'number');
    const health = `http://127.0.0.1:${started.log.healthPort as number}/health`;
    await post(url, { ms: 1 });
    await allCompleted(1);
    await redis.kill9();
    const answers: Answer[] = [];
    for (let index = 0; index < 40; index += 1) answers.push(await post(url, { ms: 1 }));
    expect(answers.every(answer => answer.status === 202)).toBe(true);
    expect(answers.map(answer => answer.ms).sort((a, b) => a - b)[38]).toBeLessThan(promised(100));
    await waitFor(async () => (await fetch(health)).status === 503, { what: 'the worker not to be ready' });
    expect((await fetch(`${health}/live`)).status).toBe(200);
    await redis.restart();
    await allCompleted(41);
    await waitFor(async () => (await fetch(health)).status === 200, { what: 'the worker to be ready' });
    expect(worker.hasExited).toBe(false);
    expect(await stories.jobs.countDocuments({ runs: { $gt: 1 } })).toBe(0);
  });

  it('and comes back empty: what was queued is loaded again', async () => {
    await stories.startWorker({ WORKER_SIZE_JOBS: '2' });
    await stories.insertMany(
      'story:wait',
      Array.from({ length: 40 }, () => ({ ms: 100 })),
    );
    await waitFor(() => stories.jobs.countDocuments({ status: 'queued' }).then(n => n > 2), {
      what: 'a filled window',
    });
    await redis.flushAll();
    await allCompleted(40);
    expect(stories.audit().filter(line => line.event === 'start')).toHaveLength(40);
  });
});

describe('Redis is full', () => {
  it('after the first batch that it refuses each try costs one job, and the others run as soon as it has room', async () => {
    const admin = redis.client();
    await admin.config('SET', 'maxmemory', '1');
    // What is claimed in vain stays claimed, so that it can be counted.
    const worker = await stories.startWorker({ WORKER_SIZE_JOBS: '10', QUEUED_LEASE_MS: '60000' });
    await stories.insertMany(
      'story:wait',
      Array.from({ length: 100 }, () => ({ ms: 10 })),
    );
    const claimed = () => stories.jobs.countDocuments({ status: 'queued' });
    // Ten slots and ten starts a second, then four tries more.
    await waitFor(async () => (await claimed()) >= 24, { what: 'five tries' });
    expect(await claimed()).toBeLessThan(40);
    await admin.config('SET', 'maxmemory', '0');
    await waitFor(() => stories.jobs.countDocuments({ status: 'completed' }).then(count => count >= 60), {
      what: 'the jobs that were not claimed in vain',
    });
    expect(worker.hasExited).toBe(false);
  });
});

describe('MongoDB is away', () => {
  it('POST answers 503 within 6 s, results of running handlers are recorded after, and nothing runs twice', async () => {
    const { url } = await stories.startApi();
    await stories.startWorker();
    const before = await Promise.all(Array.from({ length: 8 }, () => post(url, { ms: 1_500 })));
    expect(before.every(answer => answer.status === 202)).toBe(true);
    await waitFor(() => stories.jobs.countDocuments({ status: 'processing' }).then(n => n === 8), {
      what: 'eight runs',
    });
    await server.kill9();
    const away = performance.now();
    const refused = await post(url, { ms: 1 });
    expect(refused.status).toBe(503);
    expect(refused.ms).toBeLessThan(5_000 + promised(1_000));
    expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    await waitFor(() => performance.now() - away > 5_000, { what: 'five seconds without MongoDB' });
    await server.restart();
    await allCompleted(8);
    expect(stories.audit().filter(line => line.event === 'start')).toHaveLength(8);
    expect(await stories.jobs.countDocuments({ runs: { $gt: 1 } })).toBe(0);
    await waitFor(async () => (await post(url, { ms: 1 })).status === 202, {
      what: 'POST to work again',
    });
  });

  it('stopped without closing its connections: the same', async () => {
    const { url } = await stories.startApi();
    await stories.startWorker();
    await post(url, { ms: 800 });
    await waitFor(() => stories.jobs.countDocuments({ status: 'processing' }).then(n => n === 1), { what: 'a run' });
    await server.pause();
    const refused = await post(url, { ms: 1 });
    await server.resume();
    expect(refused.status).toBe(503);
    expect(refused.ms).toBeLessThan(5_000 + promised(1_000));
    await waitFor(() => stories.jobs.countDocuments({ status: 'completed' }).then(n => n >= 1), {
      what: 'the job to complete',
    });
    const [first] = stories.audit();
    expect(stories.audit().filter(line => line.event === 'start' && line.jobId === first!.jobId)).toHaveLength(1);
  });
});
