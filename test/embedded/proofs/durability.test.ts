import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import mongoose from 'mongoose';
import { describe, expect, it } from 'vitest';
import { builtPath, builtUrl } from '../../helpers/build.ts';
import { atEnd } from '../../helpers/fixtures.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { scratch, startHere } from '../wire-server/harness.ts';
import type { Step } from './record-syncs.ts';
import { type Document, WireClient } from './wire-client.ts';

const { Long, UUID } = mongoose.mongo;
const JOURNAL = 'journal.log';

describe('an acknowledgement', () => {
  it('of a journaled write comes after the sync that covers it, one of w:1 may come before', async () => {
    const { port, steps } = await recordedServer();
    const client = await WireClient.connect(port);
    const marks = new Map<number, { mark: string; journaled: boolean }>();
    const concerns = [{ w: 1, j: true }, { w: 'majority' }, { w: 1 }, undefined, { w: 1, j: false }];
    for (let n = 0; n < 60; n += 1) {
      const writeConcern = concerns[n % concerns.length];
      const mark = `mark-${n}-`;
      const sent = client.send({ insert: 'c', documents: [{ mark }], ...(writeConcern ? { writeConcern } : {}) });
      marks.set(client.lastId, { mark, journaled: n % 5 !== 2 && n % 5 !== 4 });
      expect(Number((await sent).n)).toBe(1);
    }
    await waitFor(() => [...marks.keys()].every(id => replyAt(steps, id) >= 0), { what: 'all steps to be told' });
    let early = 0;
    for (const [id, { mark, journaled }] of marks) {
      const before = steps.slice(0, replyAt(steps, id));
      const writes = before.filter(step => step.step === 'write');
      const write = writes.findIndex(({ text }) => text.includes(mark));
      expect(write, `${mark} was written before its reply`).toBeGreaterThanOrEqual(0);
      const isSynced = before.some(step => step.step === 'sync' && step.covers > write);
      if (journaled) expect(isSynced, `${mark} was synced before its reply`).toBe(true);
      else if (!isSynced) early += 1;
    }
    // The recorder sees the difference.
    expect(early).toBeGreaterThan(0);
  });
});

function replyAt(steps: readonly Step[], id: number): number {
  return steps.findIndex(step => step.step === 'reply' && step.id === id);
}

/** A server whose file system tells what it does. */
async function recordedServer(): Promise<{ port: number; steps: Step[] }> {
  const preload = builtUrl('test/embedded/proofs/record-syncs.js');
  const main = builtPath('src/embedded/wire-server/main.js');
  const args = ['--import', preload, main, '--port', '0', '--data', scratch()];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
  const gone = once(child, 'exit');
  atEnd(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const steps: Step[] = [];
  createInterface({ input: child.stdio[3] as Readable }).on('line', line => steps.push(JSON.parse(line) as Step));
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { port: Number(/:(\d+)\//.exec(line)![1]), steps };
}

describe('the last record of the journal', () => {
  const id = { id: new UUID() };
  const transaction = { lsid: { id: new UUID() }, txnNumber: Long.fromNumber(1), autocommit: false };
  const two = [
    { q: { _id: 1 }, u: { $set: { both: 1 } } },
    { q: { _id: 2 }, u: { $set: { both: 1 } } },
  ];
  const writes: Readonly<Record<string, Document[]>> = {
    insert: [{ insert: 'c', documents: [{ _id: 9, text: 'last' }] }],
    'retryable update': [
      { update: 'c', updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } } }], lsid: id, txnNumber: Long.fromNumber(1) },
    ],
    'update of two': [{ update: 'c', updates: [{ q: {}, u: { $inc: { n: 1 } }, multi: true }] }],
    delete: [{ delete: 'c', deletes: [{ q: { _id: 1 }, limit: 1 }] }],
    transaction: [
      { update: 'c', updates: two, ...transaction, startTransaction: true },
      { commitTransaction: 1, $db: 'admin', ...transaction },
    ],
  };

  it.each(Object.entries(writes))('cut at every byte, as %s, is as if it had never been', async (_name, commands) => {
    const dataDir = scratch();
    const first = await startHere({ dataDir });
    const client = await WireClient.connect(first.port);
    const start = [1, 2].map(_id => ({ _id, n: 0 }));
    expect(await client.send({ insert: 'c', documents: start })).toMatchObject({ ok: expect.anything() });
    const before = await contents(client);
    const from = statSync(join(dataDir, JOURNAL)).size;
    for (const reply of await client.sendAll(commands)) expect(Number(reply.ok), JSON.stringify(reply)).toBe(1);
    const after = await contents(client);
    expect(after).not.toEqual(before);
    client.close();
    await first.stop();
    const whole = readFileSync(join(dataDir, JOURNAL));
    expect(whole.length).toBeGreaterThan(from);
    for (let length = from; length <= whole.length; length += 1) {
      const copy = join(scratch(), 'copy');
      cpSync(dataDir, copy, { recursive: true });
      truncateSync(join(copy, JOURNAL), length);
      expect(await recovered(copy), `cut at ${length} of ${whole.length}`).toEqual(
        length < whole.length ? before : after,
      );
    }
    for (let at = from; at < whole.length; at += 23) {
      const copy = join(scratch(), 'copy');
      cpSync(dataDir, copy, { recursive: true });
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x40, at);
      writeFileSync(join(copy, JOURNAL), damaged);
      expect(await recovered(copy), `a bit turned at ${at}`).toEqual(before);
    }
  });
});

async function contents(client: WireClient): Promise<unknown> {
  const { cursor } = await client.send({ find: 'c', sort: { _id: 1 } });
  return (cursor as Document).firstBatch;
}

async function recovered(dataDir: string): Promise<unknown> {
  const server = await startHere({ dataDir });
  const client = await WireClient.connect(server.port);
  const found = await contents(client);
  client.close();
  await server.stop();
  return found;
}
