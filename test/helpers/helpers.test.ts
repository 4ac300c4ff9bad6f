import nodemailer from 'nodemailer';
import { describe, expect, it } from 'vitest';
import { identify } from '../../src/embedded/servers/process-identity.ts';
import { withDeadline } from '../../src/platform/deadline.ts';
import { atEnd, useOwnMongo, useRedis, useSmtpSink } from './fixtures.ts';
import { freshDatabase, withDatabase } from './mongo.ts';
import { spawnNode } from './processes.ts';
import { waitFor } from './wait-for.ts';

describe('waitFor', () => {
  it('answers what the condition answered', async () => {
    let calls = 0;
    expect(await waitFor(() => (++calls === 3 ? 'third' : null), { what: 'three calls' })).toBe('third');
  });

  it('says what it waited for and what it saw last', async () => {
    await expect(waitFor(() => 0, { what: 'a miracle', timeoutMs: 50 })).rejects.toThrow(
      'waited 50 ms for a miracle; last seen: 0',
    );
    const failing = () => Promise.reject(new Error('no such thing'));
    await expect(waitFor(failing, { what: 'a miracle', timeoutMs: 50 })).rejects.toThrow('last seen: no such thing');
  });
});

describe('startRedis', () => {
  it('is private, evicts nothing, and is flushed, killed, paused and restarted alone', async () => {
    const redis = await useRedis({ aof: true });
    const client = redis.client();
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    await client.set('a', '1');
    expect(await client.call('WAITAOF', '1', '0', '2000').catch(() => [1, 0])).toEqual([1, 0]);
    const { port, pid } = redis;
    await redis.kill9();
    await redis.restart();
    expect(redis.port).toBe(port);
    expect(redis.pid).not.toBe(pid);
    expect(await client.get('a')).toBe('1');
    await redis.restart({ empty: true });
    expect(await client.get('a')).toBeNull();
    await client.set('b', '2');
    await redis.flushAll();
    expect(await client.dbsize()).toBe(0);
    await redis.pause();
    const silent = () => withDeadline(client.ping(), 100, 'ping');
    await waitFor(
      () =>
        silent().then(
          () => false,
          () => true,
        ),
      { what: 'silence' },
    );
    await redis.resume();
    expect(await client.ping()).toBe('PONG');
  });
});

describe('startOwnMongo', () => {
  it('keeps its address and data through kill -9 and restart, and is silent while paused', async () => {
    const server = await useOwnMongo();
    const database = await freshDatabase(server.uri);
    atEnd(() => database.drop());
    const things = database.db.collection('things');
    await things.insertOne({ a: 1 });
    const { pid, port } = server;
    await server.kill9();
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await things.countDocuments()).toBe(1);

    await server.pause();
    const silent = () => withDeadline(database.db.command({ ping: 1 }), 100, 'ping');
    await waitFor(
      () =>
        silent().then(
          () => false,
          () => true,
        ),
      { what: 'silence' },
    );
    await server.resume();
    await waitFor(() => database.db.command({ ping: 1 }), { what: 'an answer' });
  });
});

describe('freshDatabase', () => {
  it('makes a database of its own each time, and drops it', async () => {
    const [one, two] = [await freshDatabase(), await freshDatabase()];
    await Promise.all([one.db.collection('c').insertOne({}), two.db.collection('c').insertOne({})]);
    await one.drop();
    const { databases } = await two.db.admin().listDatabases();
    const names = databases.map(entry => entry.name);
    expect(names).toContain(two.name);
    expect(names).not.toContain(one.name);
    await two.drop();
  });

  it('puts its name into the connection string and keeps the rest', () => {
    expect(withDatabase('mongodb://h:1,i:2', 'x')).toBe('mongodb://h:1,i:2/x');
    expect(withDatabase('mongodb://h/old?replicaSet=rs0', 'x')).toBe('mongodb://h/x?replicaSet=rs0');
    expect(withDatabase('mongodb://h/?replicaSet=rs0', 'x')).toBe('mongodb://h/x?replicaSet=rs0');
    expect(() => withDatabase('redis://h', 'x')).toThrow('not a MongoDB connection string');
  });
});

describe('spawnNode', () => {
  it('keeps output as lines and JSON, tells the exit, and fails a wait with the output', async () => {
    const child = await spawnNode('test/entries/talk.js', { env: { SAY: 'hello' }, args: ['extra'] });
    const line = await child.waitForLine(({ log }) => log.say === 'hello');
    expect(line.log).toEqual({ say: 'hello', args: ['extra'] });
    await expect(child.waitForLine(({ text }) => text === 'never', 50, { what: 'the never line' })).rejects.toThrow(
      /said nothing for 50 ms before the never line[\s\S]*"say":"hello"/,
    );
    expect(child.lines[1]).toEqual({ text: 'plain text', log: {} });
    const never = expect(child.waitForLine(({ text }) => text === 'never')).rejects.toThrow('ended');
    expect(await child.kill('SIGTERM')).toEqual({ code: 3, signal: null });
    await never;
    expect(child.stderr).toContain('going');
    expect(child.hasExited).toBe(true);
  });

  it('does not leave children behind when the process that started them is killed', async () => {
    const parent = await spawnNode('test/entries/spawn-talk.js');
    const { log } = await parent.waitForLine(line => typeof line.log.child === 'number');
    const child = identify(log.child as number);
    expect(child).not.toBeNull();
    await parent.kill('SIGKILL');
    await waitFor(() => identify(child!.pid)?.startedAt !== child!.startedAt, { what: 'the end of the grandchild' });
  });
});

describe('SmtpSink', () => {
  it('collects mails, and fails as it is told', async () => {
    const sink = await useSmtpSink();
    const transport = nodemailer.createTransport(sink.url);
    const mail = { from: 'a@example.com', to: 'b@example.com', subject: 'Hello', text: 'There' };
    await transport.sendMail(mail);
    expect(sink.mails).toMatchObject([{ from: 'a@example.com', to: ['b@example.com'], subject: 'Hello' }]);
    expect(sink.mails[0]?.raw).toContain('There');
    sink.mode = 'temporary';
    await expect(transport.sendMail(mail)).rejects.toMatchObject({ responseCode: 451 });
    sink.mode = 'permanent';
    await expect(transport.sendMail(mail)).rejects.toMatchObject({ responseCode: 550 });
    sink.mode = 'refuse-recipient';
    await expect(transport.sendMail(mail)).rejects.toMatchObject({ code: 'EENVELOPE' });
    sink.mode = 'drop';
    await expect(transport.sendMail(mail)).rejects.toThrow();
    expect(sink.mails).toHaveLength(1);
    transport.close();
  });
});
