import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisConfig } from '../../config/config.ts';
import type { ServerSettings } from '../../config/server-settings.ts';
import { LedgerError, messageOf } from '../../platform/errors.ts';
import type { DataDir } from './data-dir.ts';
import type { ProcessGuard } from './process-guard.ts';
import { startRedisServer } from './redis-server.ts';

export interface RunningRedis extends RedisConfig {
  prefix: string;
  kind: 'configured' | 'found' | 'private';
  version: string;
  stop(): Promise<void>;
}

export interface StartRedisOptions {
  /** `demo` may use a Redis of the user's that answers on 127.0.0.1:6379; `private` never does. */
  mode: 'demo' | 'private';
  settings: Pick<ServerSettings, 'redis' | 'prefix' | 'path'>;
  guard: ProcessGuard;
  dataDir: DataDir;
  /** Where the demo looks for a Redis that is already there. */
  wellKnown?: { host: string; port: number };
}

const DEFAULT_PREFIX = '{ledger}';
const OLDEST_REDIS = [6, 2] as const;
const PLAIN = { username: null, password: null, tls: false };

/**
 * The configured Redis; else, for the demo only, one that already runs on this machine; else a private one.
 * @throws LedgerError `redis-unreachable` for a configured one that does not answer, `no-redis` when there is none at all.
 */
export async function startRedis(options: StartRedisOptions): Promise<RunningRedis> {
  const { mode, settings, dataDir } = options;
  if (settings.redis) return configuredRedis(settings.redis, settings.prefix ?? DEFAULT_PREFIX);
  if (mode === 'demo') {
    const found = await foundRedis(options.wellKnown ?? { host: '127.0.0.1', port: 6379 }, dataDir);
    if (found) return found;
  }
  const server = await startRedisServer({ guard: options.guard, dataDir, path: settings.path });
  const address = { ...PLAIN, host: server.host, port: server.port, db: 0 };
  const { version } = await withRedis(address, readInfo);
  return {
    ...address,
    prefix: settings.prefix ?? DEFAULT_PREFIX,
    kind: 'private',
    version,
    stop: () => server.process.stop(),
  };
}

async function configuredRedis(redis: RedisConfig, prefix: string): Promise<RunningRedis> {
  try {
    const { version } = await withRedis(redis, readInfo);
    return { ...redis, prefix, kind: 'configured', version, stop: async () => undefined };
  } catch (error) {
    const address = `${redis.host}:${redis.port}`;
    throw new LedgerError('redis-unreachable', `The configured Redis ${address} does not answer: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Null when none answers there, or when it is no good: it wants a password, is too old, evicts keys, or has no empty database. */
async function foundRedis(address: { host: string; port: number }, dataDir: DataDir): Promise<RunningRedis | null> {
  const memory = new FoundRedisMemory(dataDir);
  const { prefix } = memory;
  try {
    return await withRedis({ ...PLAIN, ...address, db: memory.db ?? 0 }, async redis => {
      if (memory.db !== null) await removeKeys(redis, prefix);
      const info = await readInfo(redis);
      if (!isGoodEnough(info)) return null;
      const db = await chooseDatabase(redis, info);
      if (db === null) return null;
      memory.remember(db);
      const chosen = { ...PLAIN, ...address, db };
      const stop = () => withRedis(chosen, own => removeKeys(own, prefix)).catch(() => undefined);
      return { ...chosen, prefix, kind: 'found', version: info.version, stop };
    });
  } catch {
    return null;
  }
}

interface RedisInfo {
  version: string;
  role: string;
  cluster: boolean;
  evicts: boolean;
  /** Databases that hold keys. */
  used: ReadonlySet<number>;
}

async function readInfo(redis: Redis): Promise<RedisInfo> {
  const text = await redis.info();
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  return {
    version: field('valkey_version') || field('redis_version'),
    role: field('role'),
    cluster: field('cluster_enabled') === '1',
    evicts: field('maxmemory') !== '0' && field('maxmemory_policy') !== 'noeviction',
    used: new Set([...text.matchAll(/^db(\d+):keys=/gm)].map(match => Number(match[1]))),
  };
}

function isGoodEnough(info: RedisInfo): boolean {
  const [major = 0, minor = 0] = info.version.split('.').map(Number);
  const newEnough = major > OLDEST_REDIS[0] || (major === OLDEST_REDIS[0] && minor >= OLDEST_REDIS[1]);
  return newEnough && info.role === 'master' && !info.cluster && !info.evicts;
}

/** The highest of the usual 16 databases that is empty. */
async function chooseDatabase(redis: Redis, info: RedisInfo): Promise<number | null> {
  for (let db = 15; db >= 0; db -= 1) {
    if (info.used.has(db)) continue;
    const exists = await redis.select(db).then(
      () => true,
      () => false,
    );
    if (exists && (await redis.dbsize()) === 0) return db;
  }
  return null;
}

/** What `cache:warm` stores stands beside the prefix of the queues. */
const CACHE_KEYS = 'ledgermq:cache:*';

/** Removes LedgerMQ's keys from the database that was empty when it was chosen, and nothing else. Never a FLUSHDB. */
async function removeKeys(redis: Redis, prefix: string): Promise<void> {
  for (const match of [`${prefix.replace(/[\\*?[\]]/g, '\\$&')}:*`, CACHE_KEYS]) {
    for await (const keys of redis.scanStream({ match, count: 1_000 })) {
      const found = keys as string[];
      if (found.length > 0) await redis.unlink(...found);
    }
  }
}

/**
 * What an earlier start used in a Redis of the user's: a prefix of this data folder's own, so that two demos in two folders
 * keep apart, and the database, so that the keys a crash left there are found and removed.
 */
class FoundRedisMemory {
  readonly prefix: string;
  readonly db: number | null;
  readonly #file: string;

  constructor(dataDir: DataDir) {
    this.#file = join(dataDir.path, 'redis-found.txt');
    const [, prefix, db] = existsSync(this.#file)
      ? (/^(\S+) (\d+)$/.exec(readFileSync(this.#file, 'utf8').trim()) ?? [])
      : [];
    this.prefix = prefix ?? `{ledger-${randomBytes(4).toString('hex')}}`;
    this.db = db === undefined ? null : Number(db);
  }

  remember(db: number): void {
    writeFileSync(this.#file, `${this.prefix} ${db}\n`);
  }
}

async function withRedis<T>(address: RedisConfig, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    host: address.host,
    port: address.port,
    db: address.db,
    ...(address.username ? { username: address.username } : {}),
    ...(address.password ? { password: address.password } : {}),
    ...(address.tls ? { tls: {} } : {}),
    lazyConnect: true,
    connectTimeout: 1_000,
    commandTimeout: 5_000,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}
