import mongoose from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Db, errorOf, serverHere } from './harness.ts';

const { Binary, BSONRegExp, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } = mongoose.mongo;

let db: Db;
beforeAll(async () => {
  db = (await serverHere()).db;
});

describe('values', () => {
  it('sort across types in the documented order', async () => {
    const sorted = [
      new MinKey(),
      null,
      new Double(Number.NaN),
      new Double(-1.5),
      new Int32(0),
      Long.fromNumber(3),
      Decimal128.fromString('3.5'),
      new Long(0, 0x7fffffff),
      '',
      'A',
      'a',
      'é',
      { a: 1 },
      { a: 1, b: 1 },
      { a: 2 },
      new Binary(Buffer.from('x')),
      new ObjectId('000000000000000000000001'),
      false,
      true,
      new Date(-5),
      new Date(5),
      new Timestamp({ t: 1, i: 1 }),
      new BSONRegExp('a'),
      new MaxKey(),
    ];
    const things = db.collection<{ _id: number; v: unknown }>('order');
    await things.insertMany(sorted.map((v, _id) => ({ _id, v })).reverse());
    const ids = async () => (await things.find().sort({ v: 1 }).toArray()).map(thing => thing._id);
    const expected = sorted.map((_value, i) => i);
    expect(await ids()).toEqual(expected);
    await things.createIndex({ v: 1 });
    expect(await ids()).toEqual(expected);
    expect((await things.find().sort({ v: -1 }).toArray()).map(thing => thing._id)).toEqual(expected.toReversed());
  });

  it('keep their BSON types and the order of their fields through an update', async () => {
    const raw = { promoteValues: false, promoteLongs: false } as const;
    const things = db.collection('types');
    const payload = { b: new Int32(1), '1': Long.fromNumber(2), a: new Double(3), __proto__x: new Int32(4) };
    const bytes = mongoose.mongo.BSON.serialize({ _id: 1, payload, n: new Double(1) });
    await db.command({ insert: 'types', documents: [mongoose.mongo.BSON.deserialize(bytes, raw)] });
    await things.updateOne({}, { $set: { other: 'x' }, $inc: { n: new Int32(1) } });
    const found = await things.findOne({}, raw);
    expect(found?.payload).toEqual(mongoose.mongo.BSON.deserialize(bytes, raw).payload);
    expect(found?.n).toEqual(new Double(2));
  });

  it('compare within their type only', async () => {
    const things = db.collection<{ _id: number; v?: unknown }>('brackets');
    await things.insertMany([
      { _id: 1, v: 5 },
      { _id: 2, v: '5' },
      { _id: 3, v: null },
      { _id: 4 },
      { _id: 5, v: [1, 9] },
      { _id: 6, v: Long.fromNumber(5) },
    ]);
    const ids = async (filter: object) =>
      (await things.find(filter).sort({ _id: 1 }).toArray()).map(thing => thing._id);
    expect(await ids({ v: 5 })).toEqual([1, 6]);
    expect(await ids({ v: { $gt: 4 } })).toEqual([1, 5, 6]);
    expect(await ids({ v: null })).toEqual([3, 4]);
    expect(await ids({ v: { $exists: true, $ne: null } })).toEqual([1, 2, 5, 6]);
    expect(await ids({ v: { $gt: 5, $lt: 3 } })).toEqual([5]);
    expect(await ids({ v: { $type: 'string' } })).toEqual([2]);
    expect(await ids({ $or: [{ v: '5' }, { v: 9 }] })).toEqual([2, 5]);
    expect(await ids({ v: { $nin: [5, 9] } })).toEqual([2, 3, 4]);
  });
});

describe('updates', () => {
  it('stamp with the time of the server', async () => {
    const things = db.collection('dates');
    await things.insertOne({ n: 1 });
    const before = Date.now();
    await things.updateOne({}, { $currentDate: { at: true, stamp: { $type: 'timestamp' } } } as object);
    const found = await things.findOne({});
    expect(found?.at.getTime()).toBeGreaterThanOrEqual(before);
    expect(found?.at.getTime()).toBeLessThanOrEqual(Date.now());
    expect(found?.stamp).toBeInstanceOf(Timestamp);
  });

  it('push with $each and $slice', async () => {
    const things = db.collection('push');
    await things.insertOne({ list: [1, 2] });
    const list = async (push: unknown) =>
      (await things.findOneAndUpdate({}, { $push: { list: push } } as object, { returnDocument: 'after' }))?.list;
    expect(await list({ $each: [3, 4], $slice: -3 })).toEqual([2, 3, 4]);
    expect(await list({ $each: [9], $slice: 2 })).toEqual([2, 3]);
    expect(await list(5)).toEqual([2, 3, 5]);
    expect((await errorOf(things.updateOne({}, { $push: { 'list.0': 1 } } as object))).code).toBe(2);
  });

  it('reach into arrays by $[] and array filters', async () => {
    const things = db.collection('arrays');
    await things.insertOne({
      items: [
        { k: 1, n: 0 },
        { k: 2, n: 0 },
      ],
    });
    await things.updateOne({}, { $inc: { 'items.$[].n': 1 } });
    await things.updateOne({}, { $set: { 'items.$[one].m': true } }, { arrayFilters: [{ 'one.k': 1 }] });
    expect((await things.findOne({}))?.items).toEqual([
      { k: 1, n: 1, m: true },
      { k: 2, n: 1 },
    ]);
  });

  it('refuse what cannot be meant', async () => {
    const things = db.collection<{ _id: number; a: unknown }>('refused');
    await things.insertOne({ _id: 1, a: 'text' });
    const code = async (update: object) => (await errorOf(things.updateOne({}, update))).code;
    expect(await code({ $set: { _id: 2 } })).toBe(66);
    expect(await code({ $set: { 'a.b': 1 } })).toBe(28);
    expect(await code({ $inc: { a: 1 } })).toBe(14);
    expect(await code({ $set: { b: 1 }, $inc: { b: 1 } })).toBe(40);
    expect(await code({ $noSuch: { b: 1 } })).toBe(9);
    expect(await things.findOne({})).toEqual({ _id: 1, a: 'text' });
  });

  it('upsert from the equalities of the filter', async () => {
    const things = db.collection('upserts');
    const result = await things.updateOne(
      { a: 1, 'b.c': 2, d: { $gt: 1 } },
      { $set: { e: 3 }, $setOnInsert: { f: 4 } },
      { upsert: true },
    );
    expect(result.upsertedCount).toBe(1);
    expect(await things.findOne({}, { projection: { _id: 0 } })).toEqual({ a: 1, b: { c: 2 }, e: 3, f: 4 });
  });

  it('count every one of many writers', async () => {
    const things = db.collection('counters');
    await things.insertOne({ n: 0 });
    await Promise.all(Array.from({ length: 200 }, () => things.updateOne({}, { $inc: { n: 1 } })));
    expect((await things.findOne({}))?.n).toBe(200);
    await things.insertMany(Array.from({ length: 100 }, (_, i) => ({ free: true, i })));
    const claims = await Promise.all(
      Array.from({ length: 120 }, (_, by) => things.findOneAndUpdate({ free: true }, { $set: { free: false, by } })),
    );
    expect(new Set(claims.filter(Boolean).map(claim => claim?.i)).size).toBe(100);
  });
});

describe('aggregation', () => {
  it('groups, projects and counts', async () => {
    const things = db.collection('agg');
    await things.insertMany([
      { k: 'a', n: 1, tags: ['x', 'y'] },
      { k: 'a', n: 2, tags: ['x'] },
      { k: 'b', n: 4 },
    ]);
    expect(
      await things
        .aggregate([{ $sort: { k: 1 } }, { $group: { _id: '$k', sum: { $sum: '$n' }, count: { $sum: 1 } } }])
        .toArray(),
    ).toEqual([
      { _id: 'a', sum: 3, count: 2 },
      { _id: 'b', sum: 4, count: 1 },
    ]);
    expect(
      await things
        .aggregate([{ $sort: { n: -1 } }, { $limit: 2 }, { $project: { _id: 0, key: '$k', 'nested.n': '$n' } }])
        .toArray(),
    ).toEqual([
      { key: 'b', nested: { n: 4 } },
      { key: 'a', nested: { n: 2 } },
    ]);
    expect(await things.aggregate([{ $match: { k: 'a' } }, { $count: 'n' }]).toArray()).toEqual([{ n: 2 }]);
    expect(await things.aggregate([{ $match: { k: 'none' } }, { $count: 'n' }]).toArray()).toEqual([]);
  });
});

describe('strictness', () => {
  it.each([
    [{ noSuchCommand: 1 }, 59, 'CommandNotFound'],
    [{ find: 'x', noSuchField: 1 }, 40415, 'Location40415'],
    [{ find: 'x', filter: { a: { $noSuch: 1 } } }, 2, 'BadValue'],
    [{ find: 'x', filter: { $noSuch: 1 } }, 2, 'BadValue'],
    [{ find: 'x', filter: 5 }, 14, 'TypeMismatch'],
    [{ find: 'x', sort: { a: 2 } }, 15975, 'Location15975'],
    [{ find: 'x', collation: { locale: 'de' } }, 115, 'CommandNotSupported'],
    [{ aggregate: 'x', pipeline: [{ $noSuch: 1 }], cursor: {} }, 40324, 'Location40324'],
    [{ aggregate: 'x', pipeline: [{ $out: 'y' }], cursor: {} }, 115, 'CommandNotSupported'],
    [{ aggregate: 'x', pipeline: [{ $lookup: {} }], cursor: {} }, 115, 'CommandNotSupported'],
    [{ aggregate: 'x', pipeline: [{ $group: { _id: 1, n: { $avg: 1 } } }], cursor: {} }, 115, 'CommandNotSupported'],
    [{ aggregate: 'x', pipeline: [{ $group: { _id: 1, n: { $noSuch: 1 } } }], cursor: {} }, 15952, 'Location15952'],
    [{ find: 'x', filter: { a: { $elemMatch: { b: 1 } } } }, 115, 'CommandNotSupported'],
    [{ find: 'x', filter: { $expr: true } }, 115, 'CommandNotSupported'],
    [{ find: 'x', filter: { a: { $regex: 'a' } } }, 115, 'CommandNotSupported'],
    [{ find: 'x', filter: { a: { $in: [/a/] } } }, 115, 'CommandNotSupported'],
    [{ find: 'x', let: { a: 1 } }, 115, 'CommandNotSupported'],
    [{ findAndModify: 'x', update: { $mul: { a: 2 } } }, 115, 'CommandNotSupported'],
    [{ findAndModify: 'x', update: { $set: { 'a.$': 2 } } }, 115, 'CommandNotSupported'],
    [{ findAndModify: 'x', update: [{ $set: { a: 2 } }] }, 115, 'CommandNotSupported'],
    [{ aggregate: 'x', pipeline: [] }, 9, 'FailedToParse'],
    [{ update: 'x', updates: [{ q: {}, u: { $set: { a: 1 } }, noSuch: 1 }] }, 40415, 'Location40415'],
    [{ create: 'y', capped: true, size: 100 }, 115, 'CommandNotSupported'],
    [{ createIndexes: 'x', indexes: [{ key: { a: 'text' }, name: 't' }] }, 115, 'CommandNotSupported'],
    [{ insert: '', documents: [{}] }, 73, 'InvalidNamespace'],
  ])('refuses %j', async (command, code, codeName) => {
    expect(await errorOf(db.command(command as object))).toMatchObject({ code, codeName });
  });

  it('validates documents by $jsonSchema', async () => {
    const validator = {
      $jsonSchema: {
        bsonType: 'object',
        required: ['status', 'n'],
        properties: {
          status: { enum: ['pending', 'done'] },
          n: { bsonType: ['int', 'long'] },
          sub: { bsonType: 'object', required: ['x'] },
        },
      },
    };
    const things = await db.createCollection('validated', { validator });
    await things.insertOne({ status: 'pending', n: 1, sub: { x: 1 } });
    for (const bad of [
      { n: 1 },
      { status: 'other', n: 1 },
      { status: 'done', n: 'x' },
      { status: 'done', n: 1, sub: {} },
    ]) {
      expect(await errorOf(things.insertOne(bad))).toMatchObject({
        code: 121,
        errInfo: { details: { operatorName: '$jsonSchema' } },
      });
    }
    expect((await errorOf(things.updateOne({}, { $set: { status: 'other' } }))).code).toBe(121);
    await things.insertOne({ n: 1 }, { bypassDocumentValidation: true });
    expect(
      (await errorOf(db.command({ collMod: 'validated', validator: { $jsonSchema: { minProperties: 1 } } }))).code,
    ).toBe(9);
    await db.command({ collMod: 'validated', validator: {} });
    await things.insertOne({ anything: true });
  });

  it('counts its commands', async () => {
    const status = () => db.admin().command({ serverStatus: 1 });
    const before = await status();
    await db.collection('counted').insertMany([{}, {}]);
    await db.collection('counted').find().toArray();
    const after = await status();
    expect(after.metrics.commands.insert.total - before.metrics.commands.insert.total).toBe(1);
  });
});
