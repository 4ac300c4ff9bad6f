import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StartRedisOptions } from '../../src/embedded/servers/redis.ts';
import { atEnd, useRedis } from '../helpers/fixtures.ts';
import { freePort } from '../helpers/free-port.ts';
import { importRedis, scratchDataDir, sharedGuard } from '../helpers/servers.ts';
import { waitFor } from '../helpers/wait-for.ts';

const { startRedis } = await importRedis();
const PATH = process.env.PATH ?? '';
const NOTHING = { redis: null, prefix: null, path: PATH };

async function dataDirectory() {
  const { dataDir, remove } = await scratchDataDir();
  atEnd(remove);
  return dataDir;
}

/** Chooses as the demo does, with the given Redis in the place of the one on port 6379. */
async function choose(port: number, options: Partial<StartRedisOptions> = {}) {
  return startRedis({
    mode: 'demo',
    settings: NOTHING,
    guard: await sharedGuard(),
    dataDir: options.dataDir ?? (await dataDirectory()),
    wellKnown: { host: '127.0.0.1', port },
    ...options,
  });
}

const address = (port: number) => ({ host: '127.0.0.1', port, db: 0, username: null, password: null, tls: false });

describe('startRedis', () => {
  it('takes the configured one, and says when that does not answer', async () => {
    const redis = await useRedis();
    const configured = { ...NOTHING, redis: { ...address(redis.port), db: 3 }, prefix: 'mine' };
    expect(await choose(await freePort(), { settings: configured })).toMatchObject({
      kind: 'configured',
      port: redis.port,
      db: 3,
      prefix: 'mine',
    });
    const away = { ...NOTHING, redis: address(await freePort()) };
    await expect(choose(redis.port, { settings: away })).rejects.toMatchObject({ code: 'redis-unreachable' });
  });

  it('uses one that is already there with a database and prefix of its own, and touches nothing else', async () => {
    const redis = await useRedis();
    const [user, other] = [redis.client(0), redis.client(15)];
    await Promise.all([user.set('user', '1'), other.set('other', '1')]);
    const dataDir = await dataDirectory();
    const found = await choose(redis.port, { dataDir });
    expect(found).toMatchObject({ kind: 'found', port: redis.port, db: 14 });
    expect(found.prefix).toMatch(/^\{ledger-[0-9a-f]{8}\}$/);
    const own = redis.client(14);
    await own.mset(`${found.prefix}:a`, '1', 'ledgermq:cache:shop:page', '1', 'foreign', '1');
    await found.stop();
    expect(await own.keys('*')).toEqual(['foreign']);
    expect([await user.get('user'), await other.get('other')]).toEqual(['1', '1']);
  });

  it('removes what a start of the same folder left there, and not what that of another did', async () => {
    const redis = await useRedis();
    const [dataDir, otherDir] = [await dataDirectory(), await dataDirectory()];
    const [crashed, neighbour] = [
      await choose(redis.port, { dataDir }),
      await choose(redis.port, { dataDir: otherDir }),
    ];
    expect([crashed.db, neighbour.db]).toEqual([15, 15]);
    expect(crashed.prefix).not.toBe(neighbour.prefix);
    const db = redis.client(15);
    await db.mset(`${crashed.prefix}:left`, '1', `${neighbour.prefix}:alive`, '1');
    const again = await choose(redis.port, { dataDir });
    expect(again).toMatchObject({ db: 14, prefix: crashed.prefix });
    expect(await db.keys('*')).toEqual([`${neighbour.prefix}:alive`]);
  });

  it.each([
    ['wants a password', ['CONFIG', 'SET', 'requirepass', 'secret']],
    ['may evict keys', ['CONFIG', 'SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru']],
    ['is a replica', ['REPLICAOF', '127.0.0.1', '1']],
  ])('starts a private one when the one there %s', async (_reason, [command = '', ...args]) => {
    const redis = await useRedis();
    const client = redis.client();
    await client.call(command, ...args);
    const chosen = await choose(redis.port);
    atEnd(() => chosen.stop());
    expect(chosen.kind).toBe('private');
    expect(chosen.port).not.toBe(redis.port);
  });

  it('starts a private one, durable and without eviction, when there is none, and when asked for one', async () => {
    const dataDir = await dataDirectory();
    const redis = await useRedis();
    const [alone, privately] = [
      await choose(await freePort(), { dataDir }),
      await choose(redis.port, { mode: 'private' }),
    ];
    atEnd(() => alone.stop());
    atEnd(() => privately.stop());
    expect([alone.kind, privately.kind]).toEqual(['private', 'private']);
    expect(privately.port).not.toBe(redis.port);
    await waitFor(() => readdirSync(`${dataDir.path}/redis`).includes('appendonlydir'), {
      what: 'the append-only file',
    });
  });

  it('says how to get one when there is none to start', async () => {
    const settings = { ...NOTHING, path: '/nowhere' };
    const error = choose(await freePort(), { settings });
    await expect(error).rejects.toMatchObject({ code: 'no-redis' });
    await expect(error).rejects.toThrow(/apt-get install redis-server[\s\S]*brew install redis[\s\S]*docker run/);
  });
});
