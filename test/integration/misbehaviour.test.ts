import { beforeAll, describe, expect, it } from 'vitest';
import { useDatabase, useRedis } from '../helpers/fixtures.ts';
import type { NodeProcess } from '../helpers/processes.ts';
import { Stories } from '../helpers/stories.ts';

let stories: Stories;
let worker: NodeProcess;

beforeAll(async () => {
  const [database, redis] = await Promise.all([useDatabase(), useRedis()]);
  stories = new Stories({ mongo: database, redis }, database.db);
  worker = await stories.startWorker();
});

describe('handlers that misbehave', () => {
  it.each([
    ['throw:string', 'NonError', 'just a text'],
    ['throw:undefined', 'NonError', 'undefined was thrown'],
    ['throw:cycle', 'NonError', '[object Object]'],
    ['throw:long-message', 'Error', /^x+…$/],
    ['return:17MB', 'result-not-storable', /bytes/],
    ['return:bigint', 'result-not-storable', /BigInt/],
    ['return:cycle', 'result-not-storable', /circular/],
  ])('%s ends recorded and bounded, and the neighbours complete', async (how, name, message) => {
    const neighbours = await stories.insertMany(
      'story:wait',
      Array.from({ length: 10 }, () => ({ ms: 10 })),
    );
    const job = await stories.reach(await stories.insert('story:misbehave', { how }, { maxRetries: 0 }), 'failed');
    const [error] = job.errors!;
    expect(error?.name).toBe(name);
    expect(error?.message).toMatch(message);
    expect(Buffer.byteLength(JSON.stringify(error))).toBeLessThan(2_500);
    expect((await stories.reachAll(neighbours)).every(other => other.status === 'completed')).toBe(true);
    expect(worker.hasExited).toBe(false);
  });

  it('a handler that never ends is a timeout, and its slot is free again', async () => {
    const ids = await stories.insertMany(
      'story:misbehave',
      Array.from({ length: 3 }, () => ({ how: 'never-end' })),
      {
        maxRetries: 0,
        timeoutMs: 100,
      },
    );
    for (const job of await stories.reachAll(ids)) expect(job.errors).toMatchObject([{ name: 'timeout' }]);
    const after = await stories.insertMany(
      'story:wait',
      Array.from({ length: 10 }, () => ({ ms: 10 })),
    );
    expect((await stories.reachAll(after)).every(job => job.status === 'completed')).toBe(true);
  });

  it('a handler that ignores the abort is recorded as timed out; what it does later is dropped', async () => {
    const payload = { ms: 400, ignoreAbort: true };
    const job = await stories.reach(
      await stories.insert('story:wait', payload, { maxRetries: 0, timeoutMs: 100 }),
      'failed',
    );
    expect(job).toMatchObject({ runs: 1, failures: 1, errors: [{ name: 'timeout' }] });
    await stories.reach(await stories.insert('story:wait', { ms: 500 }), 'completed');
    expect(stories.audit(job._id).map(line => line.event)).toEqual(['start', 'ok']);
    expect(await stories.jobs.findOne({ _id: job._id })).toMatchObject({
      status: 'failed',
      historySeq: job.historySeq,
    });
  });

  it('more hanging handlers than slots: the worker drains and exits with 1, another one goes on', async () => {
    const own = await useDatabase();
    const alone = new Stories({ ...stories.servers, mongo: own }, own.db);
    const env = { WORKER_SIZE_JOBS: '2', QUEUE_NAME: 'hanging' };
    const small = await alone.startWorker(env);
    const payloads = Array.from({ length: 3 }, () => ({ how: 'never-end' }));
    const ids = await alone.insertMany('story:misbehave', payloads, { maxRetries: 0, timeoutMs: 100 });
    expect(await small.exit).toEqual({ code: 1, signal: null });
    expect(small.logs(log => log.msg === 'this worker cannot go on')).toHaveLength(1);
    await alone.startWorker(env);
    const after = await alone.insertMany('story:wait', [{ ms: 5 }, { ms: 5 }]);
    const jobs = await alone.reachAll([...ids, ...after]);
    expect(jobs.filter(job => job.status === 'failed')).toHaveLength(3);
  });
});

describe('handlers that end their process', () => {
  it.each([['exit'], ['out-of-memory']])('%s: poison after three crashes, and the neighbours complete', async how => {
    const env = { CHILD_HEAP_MB: '32', QUEUE_NAME: `lane-${how}` };
    const own = await useDatabase();
    const alone = new Stories({ ...stories.servers, mongo: own }, own.db);
    // Whoever runs containers restarts them; here the test does.
    let stopped = false;
    let finish!: () => void;
    const done = new Promise<void>(resolve => {
      finish = resolve;
    });
    const keepAlive = (async () => {
      while (!stopped) {
        const replaced = await alone.startWorker(env, ['--max-old-space-size=64']);
        await Promise.race([replaced.exit, done]);
      }
    })();
    const poison = await alone.insert('story:misbehave', { how }, { maxRetries: 5 });
    const neighbours = await alone.insertMany(
      'story:wait',
      Array.from({ length: 20 }, () => ({ ms: 200 })),
    );
    const job = await alone.reach(poison, 'failed', 60_000);
    const others = await alone.reachAll(neighbours);
    stopped = true;
    finish();
    await keepAlive;
    expect(job).toMatchObject({ crashes: 3, errors: [{ name: 'poison' }] });
    expect(job.failures ?? 0).toBe(0);
    expect(others.every(other => other.status === 'completed')).toBe(true);
  });
});
