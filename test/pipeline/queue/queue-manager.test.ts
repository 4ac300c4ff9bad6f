import { Worker } from 'bullmq';
import { beforeAll, describe, expect, it } from 'vitest';
import { QueueManager } from '../../../src/pipeline/queue/queue-manager.ts';
import { newObjectId } from '../../../src/pipeline/store/bson.ts';
import type { ClaimedJob } from '../../../src/pipeline/store/job-document.ts';
import { openRedis } from '../../../src/platform/redis.ts';
import { atEnd, useRedis } from '../../helpers/fixtures.ts';
import { waitFor } from '../../helpers/wait-for.ts';

let server: Awaited<ReturnType<typeof useRedis>>;
let manager: QueueManager;

beforeAll(async () => {
  server = await useRedis();
  const config = { host: server.host, port: server.port, db: 0, username: null, password: null, tls: false };
  const redis = openRedis(config, 'producer', () => undefined);
  const options = { redis, prefix: '{test}', queueName: 'queue', lanes: ['default', 'mail'], onError: () => undefined };
  manager = new QueueManager(options);
  await manager.start();
  await waitFor(() => redis.status === 'ready', { what: 'Redis' });
  atEnd(async () => {
    await manager.stop();
    redis.disconnect();
  });
});

const job = (over: Partial<ClaimedJob> = {}): ClaimedJob => ({
  id: newObjectId(),
  type: 'test:job',
  version: 1,
  token: newObjectId(),
  ...over,
});

describe('QueueManager', () => {
  it('names the lanes, and carries id and token only', async () => {
    expect(['default', 'mail'].map(lane => manager.nameOf(lane))).toEqual(['queue', 'queue-mail']);
    const one = job({ version: 2 });
    await manager.addJob('mail', one);
    const [stored] = await manager.queue('mail').getWaiting();
    expect(stored).toMatchObject({
      id: `${one.id.toHexString()}-${one.token.toHexString()}`,
      name: 'test:job@2',
      data: { id: one.id.toHexString(), token: one.token.toHexString() },
    });
  });

  it('knows where a claimed job is: waiting, active with a live lock, or gone', async () => {
    const [waiting, unknown] = [job(), job()];
    await manager.addJobs('default', [waiting]);
    expect(await manager.placeOf('default', waiting)).toBe('waiting');
    expect(await manager.placeOf('default', unknown)).toBe('gone');
    let release!: () => void;
    const done = new Promise<void>(resolve => {
      release = resolve;
    });
    const connection = server.client();
    const worker = new Worker('queue', () => done, { connection, prefix: '{test}' });
    await waitFor(async () => (await manager.placeOf('default', waiting)) === 'active', {
      what: 'the job to be active',
    });
    // A worker that is gone leaves the job active without a lock.
    const lock = `{test}:queue:${waiting.id.toHexString()}-${waiting.token.toHexString()}:lock`;
    await server.client().del(lock);
    expect(await manager.placeOf('default', waiting)).toBe('gone');
    release();
    await worker.close(true);
  });

  it('counts over all lanes', async () => {
    await server.flushAll();
    await manager.addJobs('default', [job(), job()]);
    await manager.addJobs('mail', [job()]);
    expect(await manager.counts()).toMatchObject({ waiting: 3, active: 0 });
    expect(await manager.waitingCount('mail')).toBe(1);
  });

  it('fails soon when Redis is away, and answers nothing from memory', async () => {
    await server.kill9();
    await waitFor(() => manager.isAway(), { what: 'the loss to be seen' });
    await expect(manager.addJobs('default', [job()])).rejects.toThrow();
    await expect(manager.placeOf('default', job())).rejects.toThrow();
    expect(await manager.ping()).toBe(false);
  });
});
