import mongoose from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../helpers/wait-for.ts';
import { type Db, errorOf, serverHere } from './harness.ts';

const { ObjectId } = mongoose.mongo;

interface Stats {
  totalKeysExamined: number;
  totalDocsExamined: number;
  nReturned: number;
}

/** The innermost stages of a plan, outermost first. */
function stages(plan: { stage: string; inputStage?: unknown }): string[] {
  return [plan.stage, ...(plan.inputStage ? stages(plan.inputStage as { stage: string }) : [])];
}

let db: Db;
beforeAll(async () => {
  db = (await serverHere()).db;
});

describe('unique indexes', () => {
  it('refuse a second document with the key, and say which', async () => {
    const things = db.collection('unique');
    await things.createIndex({ tenant: 1, key: 1 }, { unique: true });
    await things.insertOne({ tenant: 'a', key: 1 });
    const error = await errorOf(things.insertOne({ tenant: 'a', key: 1 }));
    expect(error).toMatchObject({ code: 11000, keyPattern: { tenant: 1, key: 1 }, keyValue: { tenant: 'a', key: 1 } });
    await things.insertOne({ tenant: 'b', key: 1 });
    expect((await errorOf(things.updateOne({ tenant: 'b' }, { $set: { tenant: 'a' } }))).code).toBe(11000);
    expect(await things.countDocuments({ tenant: 'a' })).toBe(1);
  });

  it('let an unordered bulk store the rest', async () => {
    const things = db.collection<{ _id: number }>('bulk');
    const error = await errorOf(things.insertMany([{ _id: 1 }, { _id: 1 }, { _id: 2 }], { ordered: false }));
    expect(error.insertedCount).toBe(2);
    expect(await things.countDocuments()).toBe(2);
  });

  it('cannot be made over duplicates', async () => {
    const things = db.collection('duplicates');
    await things.insertMany([{ a: 1 }, { a: 1 }]);
    expect((await errorOf(things.createIndex({ a: 1 }, { unique: true }))).code).toBe(11000);
    expect(await things.indexes()).toHaveLength(1);
  });

  it('a partial one counts only the documents it covers', async () => {
    const things = db.collection('partial');
    await things.createIndex(
      { tenant: 1, 'idempotency.key': 1 },
      { unique: true, partialFilterExpression: { 'idempotency.key': { $exists: true } } },
    );
    await things.insertMany([{ tenant: 'a' }, { tenant: 'a' }, { tenant: 'a', idempotency: { key: 'k' } }]);
    expect((await errorOf(things.insertOne({ tenant: 'a', idempotency: { key: 'k' } }))).code).toBe(11000);
    await things.updateOne({ 'idempotency.key': 'k' }, { $unset: { idempotency: '' } });
    await things.insertOne({ tenant: 'a', idempotency: { key: 'k' } });
  });

  it('a sparse one leaves out documents without the field', async () => {
    const things = db.collection('sparse');
    await things.createIndex({ a: 1 }, { unique: true, sparse: true });
    await things.insertMany([{ b: 1 }, { b: 2 }, { a: 1 }]);
    expect((await errorOf(things.insertOne({ a: 1 }))).code).toBe(11000);
    expect(await things.find().sort({ a: 1 }).toArray()).toHaveLength(3);
  });
});

describe('the planner', () => {
  const claim = { status: 1, queue: 1, priority: -1, runAt: 1, _id: 1 } as const;
  const partialFilterExpression = { status: 'pending' };

  it('skips from priority to priority instead of walking delayed jobs', async () => {
    const jobs = db.collection('jobs');
    await jobs.createIndex(claim, { name: 'claim', partialFilterExpression });
    const job = (priority: number, runAt: number) => ({
      status: 'pending',
      queue: 'default',
      priority,
      runAt: new Date(runAt),
    });
    await jobs.insertMany(Array.from({ length: 3000 }, (_, i) => job(10, 1e12 + i)));
    await jobs.insertMany(Array.from({ length: 100 }, (_, i) => job(5, i)));
    await jobs.insertMany(Array.from({ length: 100 }, (_, i) => ({ ...job(1, i), status: 'completed' })));
    const find = jobs
      .find({ status: 'pending', queue: 'default', runAt: { $lte: new Date(1e9) } })
      .sort({ priority: -1, runAt: 1, _id: 1 })
      .limit(50);
    const plan = await find.explain('executionStats');
    const { totalKeysExamined, totalDocsExamined, nReturned } = plan.executionStats as Stats;
    expect({ totalDocsExamined, nReturned }).toEqual({ totalDocsExamined: 50, nReturned: 50 });
    expect(totalKeysExamined).toBeLessThanOrEqual(53);
    expect(stages(plan.queryPlanner.winningPlan)).toEqual(['LIMIT', 'FETCH', 'IXSCAN']);
  });

  it('uses a partial index only for filters that imply its condition', async () => {
    const jobs = db.collection('implied');
    await jobs.createIndex({ runAt: 1 }, { partialFilterExpression });
    await jobs.insertMany([
      { status: 'pending', runAt: 1 },
      { status: 'queued', runAt: 1 },
    ]);
    const plan = async (filter: object) =>
      stages((await jobs.find(filter).explain('queryPlanner')).queryPlanner.winningPlan).at(-1);
    expect(await plan({ status: 'pending', runAt: { $lt: 2 } })).toBe('IXSCAN');
    expect(await plan({ status: { $in: ['pending', 'queued'] }, runAt: { $lt: 2 } })).toBe('COLLSCAN');
    expect(await plan({ runAt: { $lt: 2 } })).toBe('COLLSCAN');
    expect(await jobs.countDocuments({ status: { $in: ['pending', 'queued'] }, runAt: { $lt: 2 } })).toBe(2);
  });

  it('finds the same with and without indexes, in the same order', async () => {
    const values = [
      1,
      2,
      2.5,
      -3,
      'a',
      '',
      'b',
      null,
      true,
      new Date(5),
      new ObjectId('0123456789ab0123456789ab'),
      { x: 1 },
      [1, 'a'],
      [],
      undefined,
    ];
    const plain = db.collection('plain');
    const indexed = db.collection('indexed');
    const documents = values.flatMap((a, i) => values.slice(i % 3).map((b, k) => ({ _id: new ObjectId(), a, b, k })));
    for (const collection of [plain, indexed]) await collection.insertMany(documents, { ignoreUndefined: true });
    await indexed.createIndex({ a: 1, k: -1 });
    await indexed.createIndex({ b: -1 });
    const filters = values.flatMap(value => [
      { a: value ?? null },
      { a: { $gte: value ?? null } },
      { b: { $lt: value ?? null } },
      { a: { $in: [value ?? null, 2] }, k: { $gt: 3 } },
      { b: { $exists: true }, k: { $lte: 4 } },
    ]);
    for (const filter of filters) {
      const [expected, found] = await Promise.all(
        [plain, indexed].map(collection =>
          collection
            .find(filter as object)
            .sort({ a: 1, k: -1, _id: 1 })
            .toArray(),
        ),
      );
      expect(found, JSON.stringify(filter)).toEqual(expected);
    }
  });

  it('takes a hint by name and refuses one it does not have', async () => {
    const things = db.collection('hints');
    await things.createIndex({ a: 1 }, { name: 'byA' });
    await things.insertOne({ a: 1, b: 1 });
    const plan = await things.find({ b: 1 }).hint('byA').explain('executionStats');
    expect(plan.queryPlanner.winningPlan.inputStage.indexName).toBe('byA');
    expect((await errorOf(things.find({}).hint('none').toArray())).code).toBe(2);
  });

  it('walks multikey indexes without telling a document twice', async () => {
    const things = db.collection('multikey');
    await things.createIndex({ 'deliveries.nextAt': 1 }, { partialFilterExpression: { 'deliveries.state': 'due' } });
    await things.insertMany([
      {
        n: 1,
        deliveries: [
          { state: 'due', nextAt: 1 },
          { state: 'due', nextAt: 2 },
        ],
      },
      { n: 2, deliveries: [{ state: 'done', nextAt: 1 }] },
      { n: 3 },
    ]);
    const filter = { 'deliveries.state': 'due', 'deliveries.nextAt': { $lte: 5 } };
    const plan = await things.find(filter).explain('executionStats');
    expect((plan.executionStats as Stats).totalDocsExamined).toBe(1);
    expect(await things.find(filter).toArray()).toHaveLength(1);
  });
});

describe('TTL indexes', () => {
  it('remove documents whose date has come, and only those', async () => {
    const things = db.collection<{ _id: string; expireAt?: unknown }>('ttl');
    await things.createIndex({ expireAt: 1 }, { expireAfterSeconds: 0 });
    await things.insertMany([
      { _id: 'past', expireAt: new Date(Date.now() - 1000) },
      { _id: 'future', expireAt: new Date(Date.now() + 60_000) },
      { _id: 'never' },
      { _id: 'no date', expireAt: 5 },
    ]);
    await waitFor(async () => (await things.findOne({ _id: 'past' })) === null, { what: 'the removal' });
    expect(await things.distinct('_id')).toEqual(['future', 'never', 'no date']);
  });
});

it('lists and drops indexes, and knows the same index again', async () => {
  const things = db.collection('catalog');
  await things.createIndex({ a: 1 });
  await things.createIndex({ a: 1 });
  expect((await errorOf(things.createIndex({ b: 1 }, { name: 'a_1' }))).code).toBe(86);
  expect((await errorOf(things.createIndex({ a: 1 }, { unique: true }))).code).toBe(86);
  expect((await things.indexes()).map(index => index.name)).toEqual(['_id_', 'a_1']);
  expect((await errorOf(things.dropIndex('none'))).code).toBe(27);
  await things.dropIndexes();
  expect(await things.indexes()).toHaveLength(1);
});
