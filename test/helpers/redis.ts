import { rm } from 'node:fs/promises';
import { Redis } from 'ioredis';
import type { RedisServer } from '../../src/embedded/servers/redis-server.ts';
import { importRedisServer, scratchDataDir, sharedGuard } from './servers.ts';

export interface TestRedis {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** pid of the process that serves now. */
  readonly pid: number;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again on the same port; with `aof` also with the same data, unless `empty`. */
  restart(options?: { empty?: boolean }): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  flushAll(): Promise<void>;
  /** A new connection; closed by `stop()`. */
  client(db?: number): Redis;
  /** Folder with the append-only file. */
  readonly folder: string;
}

/** A private redis-server: `noeviction`, a free port unless one is given, the append-only file only when asked for. */
export async function startRedis(options: { port?: number; aof?: boolean } = {}): Promise<TestRedis> {
  const [{ startRedisServer }, guard, scratch] = await Promise.all([
    importRedisServer(),
    sharedGuard(),
    scratchDataDir(),
  ]);
  const { dataDir } = scratch;
  const path = process.env.PATH ?? '';
  const start = (port?: number) =>
    startRedisServer({ guard, dataDir, path, aof: options.aof ?? false, ...(port === undefined ? {} : { port }) });
  const server = await start(options.port);
  return new TestRedisServer(server, start, () => scratch.remove(), dataDir.folder('redis'));
}

class TestRedisServer implements TestRedis {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly folder: string;
  #server: RedisServer;
  readonly #start: (port: number) => Promise<RedisServer>;
  readonly #remove: () => Promise<void>;
  readonly #clients: Redis[] = [];

  constructor(
    server: RedisServer,
    start: (port: number) => Promise<RedisServer>,
    remove: () => Promise<void>,
    folder: string,
  ) {
    this.#server = server;
    this.port = server.port;
    this.#start = start;
    this.#remove = remove;
    this.folder = folder;
  }

  get url(): string {
    return `redis://${this.host}:${this.port}/0`;
  }

  get pid(): number {
    return this.#server.process.pid;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.#server.process.stop();
    await this.#remove();
  }

  async kill9(): Promise<void> {
    await this.#server.process.kill('SIGKILL');
  }

  async restart({ empty = false }: { empty?: boolean } = {}): Promise<void> {
    await this.#server.process.stop();
    if (empty) await rm(this.folder, { recursive: true, force: true });
    this.#server = await this.#start(this.port);
  }

  async pause(): Promise<void> {
    await this.#server.process.kill('SIGSTOP');
  }

  async resume(): Promise<void> {
    await this.#server.process.kill('SIGCONT');
  }

  async flushAll(): Promise<void> {
    const redis = new Redis({ host: this.host, port: this.port });
    try {
      await redis.flushall();
    } finally {
      redis.disconnect();
    }
  }

  client(db = 0): Redis {
    const redis = new Redis({ host: this.host, port: this.port, db, maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    this.#clients.push(redis);
    return redis;
  }
}
