import { once } from 'node:events';
import mongoose from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { WireServer } from '../../../src/embedded/wire-server/server.ts';
import { body, connect, flags, message, socketTo, startHere } from './harness.ts';

const { BSON } = mongoose.mongo;

let server: WireServer;
beforeAll(async () => {
  server = await startHere();
});

const ping = { ping: 1, $db: 'admin' };

describe('bad frames', () => {
  const broken = Buffer.from(BSON.serialize(ping));
  broken.writeInt32LE(1000, 0);
  it.each([
    ['a length below the header', Buffer.from([5, 0, 0, 0, 0])],
    ['a length beyond the limit', message(2013, Buffer.alloc(4), 2 ** 30)],
    ['an unknown opcode', message(9999, Buffer.alloc(8))],
    ['no body', message(2013, flags(0))],
    ['two bodies', message(2013, Buffer.concat([flags(0), body(ping), body(ping)]))],
    ['unknown required flags', message(2013, Buffer.concat([flags(4), body(ping)]))],
    ['an unknown section', message(2013, Buffer.concat([flags(0), Buffer.from([7]), BSON.serialize(ping)]))],
    ['a document longer than its message', message(2013, Buffer.concat([flags(0), Buffer.from([0]), broken]))],
    [
      'a sequence longer than its message',
      message(2013, Buffer.concat([flags(0), body(ping), Buffer.from([1, 255, 0, 0, 0, 97, 0])])),
    ],
  ])('%s closes that connection, and no other', async (_what, bytes) => {
    const socket = await socketTo(server.port);
    const closed = once(socket, 'close');
    socket.write(bytes);
    await closed;
    const client = await connect(server.uri);
    expect(await client.db('admin').command({ ping: 1 })).toMatchObject({ ok: 1 });
  });

  it('takes a message byte by byte, and two at once', async () => {
    const socket = await socketTo(server.port);
    const one = message(2013, Buffer.concat([flags(0), body(ping)]));
    const replies: Buffer[] = [];
    const got = new Promise<void>(resolve => {
      socket.on('data', chunk => {
        replies.push(chunk);
        const all = Buffer.concat(replies);
        if (all.length >= 4 && all.length >= 3 * all.readInt32LE(0)) resolve();
      });
    });
    for (const byte of one) socket.write(Buffer.from([byte]));
    socket.write(Buffer.concat([one, one]));
    await got;
    const all = Buffer.concat(replies);
    expect(BSON.deserialize(all.subarray(21, all.readInt32LE(0)))).toMatchObject({ ok: 1 });
  });

  it('answers a broken document inside a command with an error', async () => {
    const client = await connect(server.uri);
    const deep = Array.from({ length: 300 }).reduce<object>(inner => ({ inner }), {});
    await expect(client.db('test').collection('x').insertOne(deep)).rejects.toMatchObject({ code: 15 });
  });
});
