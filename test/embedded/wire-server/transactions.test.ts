import mongoose from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { WireServer } from '../../../src/embedded/wire-server/server.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { type Client, type Db, errorOf, rawClient, serverHere } from './harness.ts';

const { Long, UUID } = mongoose.mongo;

let client: Client;
let db: Db;
let server: WireServer;
beforeAll(async () => {
  ({ client, db, server } = await serverHere());
});

describe('transactions', () => {
  it('see one moment, show nothing before the commit, and leave nothing after an abort', async () => {
    const things = db.collection<{ _id: string; n?: number }>('isolation');
    await things.insertMany([
      { _id: 'a', n: 1 },
      { _id: 'b', n: 1 },
    ]);
    const session = client.startSession();
    session.startTransaction();
    await things.updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { session });
    await things.insertOne({ _id: 'c', n: 5 }, { session });
    await things.updateOne({ _id: 'b' }, { $set: { n: 9 } });
    expect(await things.find({}, { session }).sort({ _id: 1 }).toArray()).toEqual([
      { _id: 'a', n: 2 },
      { _id: 'b', n: 1 },
      { _id: 'c', n: 5 },
    ]);
    expect(await things.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 'a', n: 1 },
      { _id: 'b', n: 9 },
    ]);
    await session.commitTransaction();
    expect(await things.findOne({ _id: 'a' })).toEqual({ _id: 'a', n: 2 });
    session.startTransaction();
    await things.deleteMany({}, { session });
    expect(await things.countDocuments({}, { session })).toBe(0);
    await session.abortTransaction();
    expect(await things.countDocuments()).toBe(3);
    await session.endSession();
  });

  it('conflict at once, and make plain writers wait', async () => {
    const things = db.collection<{ _id: number; n: number; by?: string }>('conflicts');
    await things.insertOne({ _id: 1, n: 0 });
    const [first, second] = [client.startSession(), client.startSession()];
    first.startTransaction();
    second.startTransaction();
    await things.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session: first });
    const error = await errorOf(things.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session: second }));
    expect(error).toMatchObject({ code: 112, codeName: 'WriteConflict', errorLabels: ['TransientTransactionError'] });
    expect(
      (
        await errorOf(
          db.command({ update: 'conflicts', updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } } }], maxTimeMS: 50 }),
        )
      ).code,
    ).toBe(50);
    const plain = things.updateOne({ _id: 1 }, { $inc: { n: 10 } });
    await first.commitTransaction();
    expect((await plain).modifiedCount).toBe(1);
    expect((await things.findOne({}))?.n).toBe(11);
    await first.endSession();
    await second.endSession();
  });

  it('reserve unique keys', async () => {
    const things = db.collection<{ _id: number }>('reserved');
    const session = client.startSession();
    session.startTransaction();
    await things.insertOne({ _id: 1 }, { session });
    const plain = errorOf(things.insertOne({ _id: 1 }));
    expect((await errorOf(things.insertOne({ _id: 1 }, { session }))).code).toBe(11000);
    // The error ended the transaction: the plain insert goes through.
    await expect(plain).rejects.toThrow('expected an error');
    await session.endSession();
  });

  it('let an upsert that waited update what the transaction has inserted', async () => {
    const things = db.collection<{ _id: string; n: number }>('waited');
    await things.createIndex({ n: 1 });
    const session = client.startSession();
    session.startTransaction();
    await things.insertOne({ _id: 'a', n: 1 }, { session });
    const plain = things.updateOne({ _id: 'a' }, { $inc: { n: 10 } }, { upsert: true });
    await waitFor(async () => (await db.admin().command({ serverStatus: 1 })).waiting.writers > 0, {
      what: 'the writer to wait',
    });
    await session.commitTransaction();
    expect(await plain).toMatchObject({ matchedCount: 1, upsertedCount: 0 });
    expect(await things.findOne({})).toEqual({ _id: 'a', n: 11 });
    await session.endSession();
  });

  it('hold up no index that is there, and a new one until they end', async () => {
    const things = db.collection<{ _id: number; n: number }>('indexed');
    await things.createIndex({ n: 1 });
    const session = client.startSession();
    session.startTransaction();
    await things.insertOne({ _id: 1, n: 1 }, { session });
    await things.createIndex({ n: 1 }, { maxTimeMS: 2_000 });
    expect((await errorOf(things.createIndex({ n: -1 }, { maxTimeMS: 100 }))).code).toBe(50);
    await session.abortTransaction();
    await session.endSession();
  });

  it('refuse what does not belong there', async () => {
    const session = client.startSession();
    session.startTransaction();
    expect((await errorOf(db.collection('x').createIndex({ a: 1 }, { session }))).code).toBe(263);
    await session.abortTransaction();
    await session.endSession();
  });
});

describe('retryable writes', () => {
  it('answer a repeated command with the first reply and do nothing', async () => {
    const send = await rawClient(server.port);
    const command = {
      update: 'retried',
      updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } }, upsert: true }],
      lsid: { id: new UUID() },
      txnNumber: Long.fromNumber(1),
    };
    const first = await send(command);
    const second = await send(command);
    expect([second.n, second.upserted]).toEqual([first.n, first.upserted]);
    expect((await db.collection('retried').findOne({}))?.n).toBe(1);
    expect(await send({ ...command, txnNumber: Long.fromNumber(0) })).toMatchObject({ ok: 0, code: 225 });
    const many = {
      ...command,
      txnNumber: Long.fromNumber(2),
      updates: [{ q: {}, u: { $inc: { n: 1 } }, multi: true }],
    };
    expect(await send(many)).toMatchObject({ ok: 0, code: 72 });
  });

  it('survive a step-down and a closed connection', async () => {
    const things = db.collection('faults');
    const failPoint = (data: object) =>
      db.admin().command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data });
    await failPoint({ failCommands: ['insert'], closeConnection: true });
    await things.insertOne({ n: 1 });
    const before = await failPoint({ failCommands: ['insert'], errorCode: 10107 });
    await things.insertOne({ n: 2 });
    const after = await db.admin().command({ configureFailPoint: 'failCommand', mode: 'off' });
    expect(after.count - before.count).toBe(1);
    await db.admin().command({ replSetStepDown: 1, force: true });
    await things.insertOne({ n: 3 });
    expect(await things.countDocuments()).toBe(3);
  });
});

describe('change streams', () => {
  it('tell inserts, updates with what changed, deletes and the end', async () => {
    const things = db.collection<{ _id: number; [key: string]: unknown }>('watched');
    await things.insertOne({ _id: 0 });
    const stream = things.watch([], { fullDocument: 'updateLookup' });
    const events: Record<string, unknown>[] = [];
    expect(await stream.tryNext()).toBeNull();
    await things.insertOne({ _id: 1, a: { b: 1, c: 2 }, list: [1] });
    await things.updateOne({ _id: 1 }, { $set: { 'a.b': 5 }, $unset: { 'a.c': '' }, $push: { list: 2 } } as object);
    await things.deleteOne({ _id: 1 });
    await things.drop();
    while (events.length < 5) events.push((await stream.next()) as unknown as Record<string, unknown>);
    expect(events.map(event => event.operationType)).toEqual(['insert', 'update', 'delete', 'drop', 'invalidate']);
    expect(events[1]?.updateDescription).toEqual({
      updatedFields: { 'a.b': 5, 'list.1': 2 },
      removedFields: ['a.c'],
      truncatedArrays: [],
    });
  });
});
