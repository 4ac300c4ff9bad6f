import mongoose from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { startHere } from '../wire-server/harness.ts';
import { type Document, WireClient } from './wire-client.ts';

const { Long, UUID } = mongoose.mongo;

let client: WireClient;
beforeAll(async () => {
  client = await WireClient.connect((await startHere()).port);
  await client.send({ insert: 'c', documents: [{ _id: 1, a: 1, list: [1] }] });
});

const admin = { $db: 'admin' };
const session = { id: new UUID() };
const inTransaction = { lsid: session, txnNumber: Long.fromNumber(1), autocommit: false };

/** Every command the product or its driver sends, as it is right. */
const COMMANDS: readonly Document[] = [
  { insert: 'c', documents: [{ a: 1 }] },
  { update: 'c', updates: [{ q: { _id: 1 }, u: { $set: { a: 1 } } }] },
  { delete: 'c', deletes: [{ q: { _id: 2 }, limit: 1 }] },
  { findAndModify: 'c', query: { _id: 1 }, update: { $set: { a: 1 } } },
  { find: 'c', filter: {} },
  { aggregate: 'c', pipeline: [], cursor: {} },
  { count: 'c', query: {} },
  { distinct: 'c', key: 'a', query: {} },
  { explain: { find: 'c', filter: {} }, verbosity: 'queryPlanner' },
  { create: 'made' },
  { collMod: 'c', validator: {} },
  { createIndexes: 'c', indexes: [{ key: { a: 1 }, name: 'a' }] },
  { listIndexes: 'c', cursor: {} },
  { dropIndexes: 'c', index: 'a' },
  { listCollections: 1, filter: {} },
  { killCursors: 'c', cursors: [] },
  { drop: 'made' },
  { dropDatabase: 1, $db: 'other' },
  { endSessions: [], ...admin },
];

describe('one field that the command does not know', () => {
  it.each(COMMANDS.map(command => [Object.keys(command)[0]!, command] as const))('%s', async (_name, command) => {
    const [wrong, right] = await client.sendAll([{ ...command, noSuchField: 1 }, command]);
    expect(wrong).toMatchObject({ code: { value: 40415 }, codeName: 'Location40415' });
    expect(Number(wrong!.ok)).toBe(0);
    // It was that field and nothing else.
    expect(Number(right!.ok), JSON.stringify(right)).toBe(1);
  });

  it.each([{ commitTransaction: 1 }, { abortTransaction: 1 }])('%j', async command => {
    const wrong = await client.send({ ...command, ...admin, ...inTransaction, noSuchField: 1 });
    expect(wrong).toMatchObject({ code: { value: 40415 }, codeName: 'Location40415' });
  });

  it.each([
    { update: 'c', updates: [{ q: {}, u: { $set: { a: 1 } }, noSuchField: 1 }] },
    { delete: 'c', deletes: [{ q: {}, limit: 1, noSuchField: 1 }] },
  ])('in a statement of %j', async command => {
    expect(await client.send(command)).toMatchObject({ code: { value: 40415 }, codeName: 'Location40415' });
  });
});

const WRONG: readonly (readonly [command: Document, code: number, codeName: string])[] = [
  [{ insert: 'c', documents: 5 }, 14, 'TypeMismatch'],
  [{ insert: 'c', documents: [5] }, 14, 'TypeMismatch'],
  [{ insert: 'c', documents: [] }, 16, 'InvalidLength'],
  [{ insert: 'c' }, 40414, 'Location40414'],
  [{ insert: 'c', documents: [{}], ordered: 'yes' }, 14, 'TypeMismatch'],
  [{ insert: 5, documents: [{}] }, 73, 'InvalidNamespace'],
  [{ update: 'c', updates: {} }, 14, 'TypeMismatch'],
  [{ update: 'c' }, 40414, 'Location40414'],
  [{ delete: 'c', deletes: 'x' }, 14, 'TypeMismatch'],
  [{ find: 'c', filter: 'x' }, 14, 'TypeMismatch'],
  [{ find: 'c', sort: 'x' }, 14, 'TypeMismatch'],
  [{ find: 'c', projection: 5 }, 14, 'TypeMismatch'],
  [{ find: 'c', limit: 'x' }, 14, 'TypeMismatch'],
  [{ find: 'c', skip: -1 }, 51024, 'Location51024'],
  [{ find: 'c', batchSize: 'x' }, 14, 'TypeMismatch'],
  [{ find: 'c', maxTimeMS: 'x' }, 14, 'TypeMismatch'],
  [{ find: 'c', filter: { a: { $gt: 1, $noSuch: 1 } } }, 2, 'BadValue'],
  [{ find: 'c', filter: { $or: [] } }, 2, 'BadValue'],
  [{ find: 'c', filter: { $and: 5 } }, 2, 'BadValue'],
  [{ find: 'c', filter: { a: { $in: 5 } } }, 2, 'BadValue'],
  [{ find: 'c', filter: { a: { $exists: true, b: 1 } } }, 2, 'BadValue'],
  [{ find: 'c', projection: { a: 1, b: 0 } }, 31254, 'Location31254'],
  [{ find: 'c', hint: 'none' }, 2, 'BadValue'],
  [{ aggregate: 'c', pipeline: 5, cursor: {} }, 14, 'TypeMismatch'],
  [{ aggregate: 'c', pipeline: [{ $noSuch: 1 }], cursor: {} }, 40324, 'Location40324'],
  [{ aggregate: 'c', pipeline: [{ $match: 5 }], cursor: {} }, 15959, 'Location15959'],
  [{ aggregate: 'c', pipeline: [{ $limit: 0 }], cursor: {} }, 15958, 'Location15958'],
  [{ aggregate: 'c', pipeline: [{ $group: { n: { $sum: 1 } } }], cursor: {} }, 15955, 'Location15955'],
  [{ count: 'c', query: 5 }, 14, 'TypeMismatch'],
  [{ distinct: 'c', key: 5 }, 14, 'TypeMismatch'],
  [{ distinct: 'c' }, 40414, 'Location40414'],
  [{ getMore: 5, collection: 'c' }, 14, 'TypeMismatch'],
  [{ getMore: Long.fromNumber(5), collection: 'c' }, 43, 'CursorNotFound'],
  [{ findAndModify: 'c', query: {}, update: { $noSuch: { a: 1 } } }, 9, 'FailedToParse'],
  [{ findAndModify: 'c', query: {} }, 9, 'FailedToParse'],
  [{ findAndModify: 'c', query: {}, remove: true, new: true }, 9, 'FailedToParse'],
  [{ createIndexes: 'c', indexes: [{ key: { a: 1 } }] }, 9, 'FailedToParse'],
  [{ createIndexes: 'c', indexes: [{ key: { a: 1 }, name: 'x', noSuch: 1 }] }, 197, 'InvalidIndexSpecificationOption'],
  [{ dropIndexes: 'c', index: 'none' }, 27, 'IndexNotFound'],
  [{ dropIndexes: 'none', index: 'a' }, 26, 'NamespaceNotFound'],
  [{ collMod: 'none', validator: {} }, 26, 'NamespaceNotFound'],
  [{ listIndexes: 'none' }, 26, 'NamespaceNotFound'],
  [{ find: 'c', readConcern: { level: 'noSuch' } }, 9, 'FailedToParse'],
  [{ noSuchCommand: 1 }, 59, 'CommandNotFound'],
];

describe('a wrong value', () => {
  it.each(WRONG)('%j is %d', async (command, code, codeName) => {
    expect(await client.send(command)).toMatchObject({ code: { value: code }, codeName });
  });

  it.each([
    [{ $set: { _id: 5 } }, 66],
    [{ $inc: { a: 'x' } }, 14],
    [{ $push: { a: 1 } }, 2],
    [{ $push: { list: { $each: 5 } } }, 2],
    [{ $set: { 'a.b': 1 } }, 28],
    [{ $set: { a: 1 }, $unset: { a: '' } }, 40],
    [{ $set: { 'x..y': 1 } }, 56],
    [{ $noSuch: { a: 1 } }, 9],
    [{ $set: 5 }, 9],
    [{ a: 1, $set: { b: 1 } }, 52],
  ])('the update %j is %d and changes nothing', async (u, code) => {
    const [reply, found] = await client.sendAll([
      { update: 'c', updates: [{ q: { _id: 1 }, u }] },
      { find: 'c', filter: { _id: 1 } },
    ]);
    expect(reply).toMatchObject({ writeErrors: [{ code: { value: code } }] });
    expect((found!.cursor as Document).firstBatch).toMatchObject([{ a: { value: 1 }, list: [{ value: 1 }] }]);
  });
});
