import { mongo } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { JOB_INDEXES, migrate } from '../../src/pipeline/store/migrate.ts';
import { createStoreContext } from '../../src/pipeline/store/store-context.ts';
import { connectLedger } from '../../src/platform/mongo.ts';
import { testConfig } from '../helpers/config.ts';
import { atEnd, useDatabase, useOwnMongo, useRedis } from '../helpers/fixtures.ts';
import { freshDatabase, type TestDatabase } from '../helpers/mongo.ts';
import { FULL } from '../helpers/promised.ts';
import { Stories } from '../helpers/stories.ts';
import { waitFor } from '../helpers/wait-for.ts';

const BACKLOG = FULL ? 100_000 : 10_000;
const CROWD = FULL ? 100_000 : 20_000;

let database: TestDatabase;
let redis: Awaited<ReturnType<typeof useRedis>>;

beforeAll(async () => {
  database = await useDatabase();
  redis = await useRedis();
  const config = testConfig({ mongo: database, redis });
  const ledger = await connectLedger({ uri: database.uri, appName: 'test', deadlineMs: 60_000 });
  atEnd(() => ledger.close());
  const { lease, retention } = config;
  await migrate(createStoreContext({ ledger, processId: 'test:1:a', lease, retention, deadlineMs: 60_000 }));
});

interface ExecutionStats {
  totalKeysExamined: number;
  totalDocsExamined: number;
  nReturned: number;
}

async function statsOf(filter: object, options: mongo.FindOptions): Promise<ExecutionStats> {
  const plan = await database.db.collection('jobs').find(filter, options).explain('executionStats');
  return plan.executionStats as ExecutionStats;
}

async function fill(count: number, make: (index: number) => object): Promise<void> {
  for (let from = 0; from < count; from += 5_000) {
    const batch = Array.from({ length: Math.min(5_000, count - from) }, (_, index) => make(from + index));
    await database.db.collection('jobs').insertMany(batch, { ordered: false });
  }
}

describe('the indexes', () => {
  it('stand as they are written down', async () => {
    const found = await database.db.collection('jobs').indexes();
    expect(new Set(found.map(index => index.name))).toEqual(new Set(['_id_', ...JOB_INDEXES.map(index => index.name)]));
  });

  it('a foreign insert whose id the engine could not carry is refused', async () => {
    const job = {
      type: 'a:b',
      queue: 'x',
      status: 'pending',
      runAt: new Date(),
      priority: 5,
      tenant: 't',
      payload: {},
    };
    const jobs = database.db.collection<{ _id: unknown }>('jobs');
    await expect(jobs.insertOne({ _id: 'my-own-id', ...job })).rejects.toMatchObject({ code: 121 });
    await expect(jobs.insertOne({ _id: new mongo.ObjectId(), ...job })).resolves.toMatchObject({ acknowledged: true });
    await jobs.deleteMany({ queue: 'x' });
  });

  it('a malformed foreign insert is refused', async () => {
    await expect(
      database.db.collection('jobs').insertOne({ type: 'story:wait', status: 'pending' }),
    ).rejects.toMatchObject({ code: 121 });
  });
});

describe('cost', () => {
  it('of a claim stays at limit + 12 keys with a crowd pending, half of it delayed, and a crowd finished', async () => {
    const now = Date.now();
    const base = { type: 'story:none', queue: 'cost', tenant: 'default', payload: {} };
    await fill(CROWD, index => ({
      ...base,
      status: 'pending',
      priority: index % 11,
      runAt: new Date(now + (index % 2 ? 3_600_000 : -index)),
    }));
    await fill(CROWD, index => ({
      ...base,
      status: 'completed',
      priority: index % 11,
      runAt: new Date(now - index),
      finishedAt: new Date(),
    }));
    const filter = { status: 'pending', queue: 'cost', runAt: { $lte: new Date() } };
    const sort = { priority: -1, runAt: 1, _id: 1 } as const;
    for (const limit of [1, 50, 100]) {
      const claim = await statsOf(filter, { sort, limit, hint: 'claim' });
      expect(claim.nReturned).toBe(limit);
      expect(claim.totalKeysExamined).toBeLessThanOrEqual(limit + 12);
      const unhinted = await statsOf(filter, { sort, limit });
      expect(unhinted.totalKeysExamined).toBeLessThanOrEqual(limit + 12);
    }
    const due = await statsOf({ queue: 'cost', status: 'pending' }, { sort: { runAt: 1 }, limit: 1, hint: 'due' });
    expect(due.totalKeysExamined).toBeLessThanOrEqual(2);
    await database.db.collection('jobs').deleteMany({ queue: 'cost' });
  });

  it('of an idle worker is less than one command a second', async () => {
    // A server of its own: nobody else's commands count.
    const server = await useOwnMongo();
    const own = await freshDatabase(server.uri);
    atEnd(() => own.drop());
    await new Stories({ mongo: own, redis }, own.db).startWorker({
      LEASE_MS: '7500',
      BEAT_MS: '2500',
      GRACE_MS: '3000',
      SWEEP_MS: '2000',
      QUEUED_LEASE_MS: '10000',
      WORKER_PROCESSING_INTERVAL: '5000',
    });
    const commands = async (): Promise<Record<string, number>> => {
      const { metrics } = await own.db.admin().command({ serverStatus: 1 });
      const all = Object.entries(metrics.commands as Record<string, { total: number }>);
      return Object.fromEntries(all.map(([name, { total }]) => [name, Number(total)]));
    };
    const settled = performance.now();
    await waitFor(() => performance.now() - settled > 2_000, { what: 'the start to be over' });
    const before = await commands();
    const since = performance.now();
    await waitFor(() => performance.now() - since > 20_000, { what: 'twenty idle seconds', timeoutMs: 60_000 });
    const seconds = (performance.now() - since) / 1_000;
    const spent = Object.entries(await commands()).map(([name, total]) => [name, total - (before[name] ?? 0)] as const);
    // Monitoring (hello) and this test's own question do not count.
    const counted = spent.filter(
      ([name, count]) => count > 0 && !/^(hello|ismaster|isMaster|serverStatus)$/.test(name),
    );
    const perSecond = counted.reduce((sum, [, count]) => sum + count, 0) / seconds;
    expect(perSecond, JSON.stringify(counted)).toBeLessThan(1);
    expect(perSecond).toBeGreaterThan(0.3);
  });

  it('in Redis stays flat while the backlog grows: the window is bounded', async () => {
    const own = await useDatabase();
    const engine = await useRedis();
    const slow = new Stories({ mongo: own, redis: engine }, own.db);
    await slow.startWorker();
    const backlog = async (count: number, ms: number): Promise<void> => {
      const payloads = Array.from({ length: count }, () => ({ ms }));
      for (let from = 0; from < count; from += 5_000)
        await slow.insertMany('story:wait', payloads.slice(from, from + 5_000));
    };
    const status = (wanted: 'completed' | 'processing') => slow.jobs.countDocuments({ status: wanted });
    await backlog(550, 1);
    await waitFor(async () => (await status('completed')) === 550, {
      what: 'the engine to keep its 500 finished jobs',
      timeoutMs: 90_000,
    });
    const client = engine.client();
    const usedMemory = async (): Promise<number> => {
      await waitFor(async () => (await status('processing')) === 10, { what: 'slow handlers in all slots' });
      return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
    };
    await backlog(1_000, 30_000);
    const small = await usedMemory();
    await backlog(BACKLOG - 1_000, 30_000);
    const large = await usedMemory();
    expect(large / small).toBeGreaterThan(0.9);
    expect(large / small).toBeLessThan(1.1);
  });
});
