import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../helpers/wait-for.ts';
import { connect, errorOf, rawClient, scratch, serverHere, spawnServer, startHere } from './harness.ts';

const { Long, UUID } = mongoose.mongo;
const JOURNAL = 'journal.log';

/** Where the parts of a journal's frames end: each has a length and a checksum, four bytes each, and so many bytes. */
function partEnds(journal: Buffer, from = 0): number[] {
  const ends: number[] = [];
  // The highest bit says that the frame goes on.
  for (let at = from; at < journal.length; ends.push(at)) at += 8 + (journal.readUInt32LE(at) % 2 ** 31);
  return ends;
}

/** What a server that starts on this journal finds in a collection, and how much of the journal it keeps. */
async function recovered(journal: Buffer, ns: string): Promise<{ documents: number; bytes: number }> {
  const folder = scratch();
  writeFileSync(join(folder, JOURNAL), journal);
  const { Store } = await import('../../../src/embedded/wire-server/store.ts');
  const store = await Store.open(folder, 0, 1e9);
  const documents = store.collections.get(ns)?.records.size ?? 0;
  await store.close();
  return { documents, bytes: statSync(join(folder, JOURNAL)).size };
}

describe('kill -9', () => {
  it('loses no acknowledged write and applies none twice', async () => {
    const dataDir = scratch();
    let server = await spawnServer(dataDir);
    const { port } = server;
    const client = await connect(server.uri);
    const things = client.db('test').collection<{ _id: number; n: number }>('things');
    await things.insertOne({ _id: 0, n: 0 });
    let acknowledged = 0;
    let writing = true;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let i = 1; writing; i++) {
        try {
          await things.insertOne({ _id: writer * 1_000_000 + i, n: i });
          await things.updateOne({ _id: 0 }, { $inc: { n: 1 } });
          acknowledged++;
        } catch {
          // Not acknowledged: may or may not be there.
        }
      }
      return writer;
    });
    for (let round = 0; round < 3; round++) {
      const goal = acknowledged + 60;
      await waitFor(() => acknowledged > goal, { what: 'some writes' });
      await server.end('SIGKILL');
      server = await spawnServer(dataDir, port);
    }
    writing = false;
    await Promise.all(writers);
    const counter = (await things.findOne({ _id: 0 }))?.n ?? 0;
    const stored = await things.countDocuments({ _id: { $gt: 0 } });
    expect(counter).toBeGreaterThanOrEqual(acknowledged);
    // Every insert that got as far as its update is there; at most four a round were under way.
    expect(stored).toBeGreaterThanOrEqual(counter);
    expect(stored - acknowledged).toBeLessThanOrEqual(4 * 4);
  });

  it('does not make a retried write happen twice', async () => {
    const dataDir = scratch();
    const command = {
      update: 'retried',
      updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } }, upsert: true }],
      lsid: { id: new UUID() },
      txnNumber: Long.fromNumber(7),
    };
    const first = await spawnServer(dataDir);
    await (await rawClient(first.port))(command);
    await first.end('SIGKILL');
    const second = await spawnServer(dataDir);
    const db = (await connect(second.uri)).db('test');
    expect((await (await rawClient(second.port))(command)).upserted).toHaveLength(1);
    expect((await db.collection('retried').findOne({}))?.n).toBe(1);
  });
});

describe('a restart', () => {
  it('keeps everything, and change streams go on where they were', async () => {
    const dataDir = scratch();
    const first = await spawnServer(dataDir);
    const before = (await connect(first.uri)).db('test');
    const things = before.collection<{ _id: number }>('things');
    await things.createIndex({ a: 1 }, { unique: true, partialFilterExpression: { a: { $exists: true } } });
    await before.command({ collMod: 'things', validator: { $jsonSchema: { required: ['_id'] } } });
    const stream = things.watch();
    expect(await stream.tryNext()).toBeNull();
    await things.insertMany([{ _id: 1 }, { _id: 2 }]);
    const token = (await stream.next())._id;
    await stream.close();
    expect(await first.end('SIGTERM')).toBe(0);
    const second = await spawnServer(dataDir);
    const after = (await connect(second.uri)).db('test').collection<{ _id: number }>('things');
    const resumed = after.watch([], { resumeAfter: token });
    expect(await resumed.next()).toMatchObject({ operationType: 'insert', documentKey: { _id: 2 } });
    await after.insertOne({ _id: 3 });
    expect(await resumed.next()).toMatchObject({ operationType: 'insert', documentKey: { _id: 3 } });
    await resumed.close();
    expect(await after.find().sort({ _id: 1 }).toArray()).toEqual([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    expect(await after.indexes()).toMatchObject([{ name: '_id_' }, { name: 'a_1', unique: true }]);
    expect(await after.options()).toMatchObject({ validator: { $jsonSchema: { required: ['_id'] } } });
  });

  it('is refused while another server lives on the same data', async () => {
    const dataDir = scratch();
    const first = await spawnServer(dataDir);
    await expect(spawnServer(dataDir)).rejects.toThrow(/another server/);
    await first.end('SIGKILL');
    await spawnServer(dataDir);
  });
});

describe('the journal', () => {
  it('is cut where it was torn, at whatever byte', async () => {
    const dataDir = scratch();
    const { server, db } = await serverHere({ dataDir });
    const things = db.collection<{ _id: number }>('things');
    const sizes: number[] = [];
    for (let _id = 1; _id <= 3; _id++) {
      await things.insertOne({ _id });
      sizes.push(readFileSync(join(dataDir, JOURNAL)).length);
    }
    await server.stop();
    const whole = readFileSync(join(dataDir, JOURNAL));
    const [, second = 0, third = 0] = sizes;
    for (let length = second; length < third; length++) {
      // Zeros behind the cut could complete the frame: BSON ends with them.
      for (const tail of [Buffer.alloc(0), Buffer.alloc(40, length === second ? 0 : 255)]) {
        const torn = Buffer.concat([whole.subarray(0, length), tail]);
        expect(await recovered(torn, 'test.things')).toEqual({ documents: 2, bytes: second });
      }
    }
  });

  it('holds a transaction of many megabytes in parts: it is there whole or not at all, wherever they are torn', async () => {
    const dataDir = scratch();
    const { server, client, db } = await serverHere({ dataDir });
    const things = db.collection<{ _id: number; text?: string }>('things');
    await things.insertOne({ _id: 0 });
    const stream = things.watch();
    expect(await stream.tryNext()).toBeNull();
    const token = stream.resumeToken;
    await stream.close();
    const before = statSync(join(dataDir, JOURNAL)).size;
    await client.withSession(session =>
      session.withTransaction(async () => {
        for (let _id = 1; _id <= 8; _id++) await things.insertOne({ _id, text: 'x'.repeat(700_000) }, { session });
      }),
    );
    await server.stop();
    const whole = readFileSync(join(dataDir, JOURNAL));
    const ends = partEnds(whole, before);
    expect(ends).toHaveLength(4);
    for (const end of ends) {
      for (const length of [end - 700_000, end - 1, end, end + 1, end + 8].filter(at => at < whole.length))
        expect(await recovered(whole.subarray(0, length), 'test.things')).toEqual({ documents: 1, bytes: before });
    }
    expect(await recovered(whole, 'test.things')).toEqual({ documents: 9, bytes: whole.length });
    const again = await serverHere({ dataDir });
    const resumed = again.db.collection<{ _id: number }>('things').watch([], { resumeAfter: token });
    const events = [];
    for (let n = 0; n < 8; n++) events.push((await resumed.next()) as mongoose.mongo.ChangeStreamInsertDocument);
    await resumed.close();
    expect(events.map(event => event.documentKey._id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const [{ txnNumber, clusterTime }] = events as [mongoose.mongo.ChangeStreamInsertDocument];
    expect(txnNumber).toBeDefined();
    for (const event of events) expect(event).toMatchObject({ txnNumber, clusterTime });
  });

  it('is compacted when it outgrows the data, and nothing is lost by it', async () => {
    const dataDir = scratch();
    const { server, db } = await serverHere({ dataDir, compactBytes: 100_000 });
    const things = db.collection<{ _id: number; n: number; text: string }>('things');
    await things.createIndex({ n: 1 });
    await things.insertMany(Array.from({ length: 20 }, (_, _id) => ({ _id, n: 0, text: 'x'.repeat(500) })));
    const command = {
      update: 'other',
      updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } }, upsert: true }],
      lsid: { id: new UUID() },
      txnNumber: Long.fromNumber(1),
    };
    await (await rawClient(server.port))(command);
    for (let i = 0; i < 60; i++) await things.updateMany({}, { $inc: { n: 1 } });
    await things.updateMany({}, { $inc: { n: 1 } });
    await server.stop();
    const bytes = readFileSync(join(dataDir, JOURNAL));
    // Written were about 61 times the data.
    expect(bytes.length).toBeLessThan(10 * 20 * 500 + 100_000);
    expect(readdirSync(dataDir)).toEqual([JOURNAL]);
    const damaged = scratch();
    bytes.writeUInt8(bytes.readUInt8(500) ^ 1, 500);
    writeFileSync(join(damaged, JOURNAL), bytes);
    await expect(startHere({ dataDir: damaged })).rejects.toThrow(/damaged/);
    const again = await startHere({ dataDir });
    const after = (await connect(again.uri)).db('test');
    expect(await after.collection('things').countDocuments({ n: 61 })).toBe(20);
    expect((await (await rawClient(again.port))(command)).upserted).toHaveLength(1);
    const stale = await errorOf(
      after
        .collection('things')
        .watch([], { resumeAfter: { _data: '82000000000000000101' } })
        .next(),
    );
    expect(stale.code).toBe(286);
  });

  it('is written in parts of a megabyte and one document more, however large the documents are', async () => {
    const dataDir = scratch();
    const { server, db } = await serverHere({ dataDir, compactBytes: 1_000_000 });
    const things = db.collection<{ _id: number; n: number; text: string }>('things');
    for (let _id = 0; _id < 40; _id++) await things.insertOne({ _id, n: 0, text: 'x'.repeat(1_000_000) });
    await things.updateMany({}, { $inc: { n: 1 } });
    await things.updateMany({}, { $inc: { n: 1 } });
    await server.stop();
    const ends = partEnds(readFileSync(join(dataDir, JOURNAL)));
    expect(Math.max(...ends.map((end, n) => end - (ends[n - 1] ?? 0)))).toBeLessThan(2_100_000);
    const again = (await serverHere({ dataDir })).db.collection('things');
    expect(await again.countDocuments({ n: 2 })).toBe(40);
  });

  it('may lose w:1 writes that were held back, but nothing that waited for the disk', async () => {
    const dataDir = scratch();
    const copy = scratch();
    const { db } = await serverHere({ dataDir, holdW1Ms: 100 });
    const things = db.collection<{ _id: number }>('things');
    await things.insertOne({ _id: 1 }, { writeConcern: { w: 'majority' } });
    await things.insertOne({ _id: 2 }, { writeConcern: { w: 1 } });
    copyFileSync(join(dataDir, JOURNAL), join(copy, JOURNAL));
    const after = await serverHere({ dataDir: copy });
    expect(await after.db.collection('things').distinct('_id')).toEqual([1]);
  });
});
