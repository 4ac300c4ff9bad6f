import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { readServerSettings } from '../../src/config/server-settings.ts';
import { identify, isRunning, type ProcessIdentity } from '../../src/embedded/servers/process-identity.ts';
import { atEnd } from '../helpers/fixtures.ts';
import { freshDatabase } from '../helpers/mongo.ts';
import { type NodeProcess, spawnNode } from '../helpers/processes.ts';
import { importStartServers } from '../helpers/servers.ts';
import { waitFor } from '../helpers/wait-for.ts';

const QUIET = { info: (_line: unknown) => undefined, warn: (_line: unknown) => undefined };
const { startServers } = await importStartServers();

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ledgermq-servers-'));
  atEnd(async () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The servers that a data folder has on record. */
function onRecord(folder: string): ProcessIdentity[] {
  const run = join(folder, 'run');
  return readdirSync(run).map(name => JSON.parse(readFileSync(join(run, name), 'utf8')) as ProcessIdentity);
}

const settings = (environment: Record<string, string> = {}) =>
  readServerSettings({ NODE_ENV: 'test', LEDGERMQ_MONGO: 'embedded', PATH: process.env.PATH, ...environment });

describe('startServers', () => {
  it('starts both, says so in one line, keeps the data, and leaves nothing running', async () => {
    const dataDir = scratch();
    const lines: unknown[] = [];
    const log = { ...QUIET, info: (line: unknown) => void lines.push(line) };
    const first = await startServers({ mode: 'private', dataDir, config: settings(), log });
    expect(first.mongo).toMatchObject({ kind: 'embedded', version: expect.stringMatching(/^\d+\.\d+/) });
    expect(first.redis).toMatchObject({ kind: 'private', host: '127.0.0.1', db: 0, prefix: '{ledger}' });
    expect(lines).toEqual([first.describe()]);
    expect(first.describe()).toMatch(/^MongoDB \S+ at 127\.0\.0\.1:\d+ \(embedded .*\); Redis .* \(private\)$/);
    expect(first.environment()).toMatchObject({
      MONGO_URI: first.mongo.uri,
      QUEUE_REDIS_PORT: String(first.redis.port),
    });
    const children = onRecord(dataDir);
    expect(children.map(isRunning)).toEqual([true, true]);
    await remember(first, 'kept');
    await Promise.all([first.stop(), first.stop()]);
    expect(children.map(isRunning)).toEqual([false, false]);
    expect(onRecord(dataDir)).toEqual([]);

    const second = await startServers({ mode: 'private', dataDir, config: settings(), log: QUIET });
    expect(await recall(second)).toEqual(['kept', 'kept']);
    await second.stop();
  });

  it('is refused in production, and in a folder that another process uses', async () => {
    const dataDir = scratch();
    const config = settings({ NODE_ENV: 'production', MONGO_URI: 'mongodb://db', WORKER_MODE: 'true' });
    await expect(startServers({ mode: 'demo', dataDir, config, log: QUIET })).rejects.toMatchObject({
      code: 'embedded-refused',
    });
    const { holder } = await hold(dataDir);
    await expect(startServers({ mode: 'private', dataDir, config: settings(), log: QUIET })).rejects.toMatchObject({
      code: 'data-dir-in-use',
      message: expect.stringContaining(String(holder.pid)),
    });
    await holder.kill('SIGTERM');
  });

  it('ends the other server when one cannot start', async () => {
    const dataDir = scratch();
    const config = settings({ LEDGERMQ_MONGO: 'mongod', MONGOD_BINARY: '/nowhere/mongod' });
    await expect(startServers({ mode: 'private', dataDir, config, log: QUIET })).rejects.toMatchObject({
      code: 'no-mongod',
    });
    expect(onRecord(dataDir)).toEqual([]);
    expect(readdirSync(dataDir)).not.toContain('owner.json');
    // The Redis of the failed start is gone, or this one could not take its append-only file over.
    const servers = await startServers({ mode: 'private', dataDir, config: settings(), log: QUIET });
    await servers.stop();
  });
});

describe('children', () => {
  it('end when their parent is told to stop', async () => {
    const { holder, children } = await hold(scratch());
    expect(await holder.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(children.map(isRunning)).toEqual([false, false]);
  });

  it('end when their parent is killed with -9, the paused ones too', async () => {
    const { holder, children } = await hold(scratch());
    process.kill(children[0]!.pid, 'SIGSTOP');
    await holder.kill('SIGKILL');
    await waitFor(() => !children.some(isRunning), { what: 'the end of the servers' });
  });

  it('do not see the Ctrl-C of the terminal: their parent decides when they end', async () => {
    const { holder, children } = await hold(scratch());
    for (const { pid } of children) expect(groupOf(pid)).toBe(pid);
    await holder.kill('SIGTERM');
  });

  it('that even outlived their guard are found and ended by the next start, strangers are left alone', async () => {
    const dataDir = scratch();
    const { holder, children } = await hold(dataDir);
    const guards = childrenOf(holder.pid).filter(pid => !children.some(child => child.pid === pid));
    expect(guards).toHaveLength(1);
    process.kill(guards[0]!, 'SIGKILL');
    await holder.kill('SIGKILL');
    expect(children.map(isRunning)).toEqual([true, true]);

    // A record whose pid now belongs to somebody else: the start time tells.
    const stranger = await spawnNode('test/entries/talk.js');
    const record = { pid: stranger.pid, startedAt: `${identify(stranger.pid)!.startedAt}-earlier` };
    writeRecord(dataDir, 'redis-1', record);

    const servers = await startServers({ mode: 'private', dataDir, config: settings(), log: QUIET });
    expect(children.map(isRunning)).toEqual([false, false]);
    expect(stranger.hasExited).toBe(false);
    expect(isRunning(identify(stranger.pid)!)).toBe(true);
    await servers.stop();
  });
});

/** Starts a process that starts servers in the folder and holds them. */
async function hold(dataDir: string): Promise<{ holder: NodeProcess; children: ProcessIdentity[] }> {
  const holder = await spawnNode('test/entries/hold-servers.js', {
    env: { DATA_DIR: dataDir, NODE_ENV: 'test', LEDGERMQ_MONGO: 'embedded' },
  });
  await holder.waitForLine(({ log }) => 'mongo' in log, undefined, { what: 'both servers' });
  const children = onRecord(dataDir);
  expect(children).toHaveLength(2);
  return { holder, children };
}

function writeRecord(dataDir: string, name: string, identity: ProcessIdentity): void {
  writeFileSync(join(dataDir, 'run', `${name}.json`), JSON.stringify(identity));
}

function processTable(): { pid: number; parent: number; group: number }[] {
  const text = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,pgid='], { encoding: 'utf8' });
  return text
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, parent = 0, group = 0]) => ({ pid, parent, group }));
}

function childrenOf(pid: number): number[] {
  return processTable()
    .filter(entry => entry.parent === pid)
    .map(entry => entry.pid);
}

function groupOf(pid: number): number | undefined {
  return processTable().find(entry => entry.pid === pid)?.group;
}

type Servers = Awaited<ReturnType<typeof startServers>>;

async function remember(servers: Servers, value: string): Promise<void> {
  const database = await freshDatabase(servers.mongo.uri);
  await database.client.db('kept').collection('things').insertOne({ value });
  await database.drop();
  await withRedis(servers.redis, redis => redis.set('thing', value));
}

async function recall(servers: Servers): Promise<unknown[]> {
  const database = await freshDatabase(servers.mongo.uri);
  const thing = await database.client.db('kept').collection('things').findOne({});
  await database.drop();
  return [thing?.value, await withRedis(servers.redis, redis => redis.get('thing'))];
}

async function withRedis<T>({ host, port, db }: Servers['redis'], use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ host, port, db });
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}
