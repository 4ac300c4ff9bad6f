import { Redis } from 'ioredis';
import { mongo } from 'mongoose';

export interface RedisCounters {
  commands: number;
  cpuUs: number;
}

/** Reads what Redis counts of itself, without what the reading costs. */
export class RedisCounter {
  readonly #redis: Redis;
  #own = 0;

  constructor(port: number) {
    this.#redis = new Redis({ port });
  }

  async read(): Promise<RedisCounters> {
    const text = await this.#redis.info();
    this.#own += 1;
    const field = (name: string) => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(text)?.[1] ?? Number.NaN);
    return {
      commands: field('total_commands_processed') - this.#own,
      cpuUs: Math.round((field('used_cpu_user') + field('used_cpu_sys')) * 1e6),
    };
  }

  async flush(): Promise<void> {
    await this.#redis.flushall();
  }

  close(): void {
    this.#redis.disconnect();
  }
}

/** What monitors of connections send, and what this file itself sends. */
const NOT_COUNTED = new Set(['hello', 'isMaster', 'ismaster', 'ping', 'serverStatus', 'endSessions']);

/** Counts the commands that MongoDB got from the measured processes, and looks when they have recorded everything. */
export class LedgerProbe {
  readonly #client: mongo.MongoClient;
  readonly #jobs: mongo.Collection;
  readonly #db: mongo.Db;
  #own = 0;

  constructor(client: mongo.MongoClient) {
    this.#client = client;
    this.#db = client.db();
    this.#jobs = this.#db.collection('jobs');
  }

  static async connect(uri: string): Promise<LedgerProbe> {
    return new LedgerProbe(await new mongo.MongoClient(uri, { maxPoolSize: 2 }).connect());
  }

  /** Without those of connection monitors, and without this probe's own. */
  async commands(): Promise<number> {
    const { metrics } = await this.#db.admin().command({ serverStatus: 1 });
    const counts = Object.entries(metrics.commands as Record<string, { total?: number | mongo.Long }>);
    const all = counts.reduce((sum, [name, { total }]) => sum + (NOT_COUNTED.has(name) ? 0 : Number(total ?? 0)), 0);
    return all - this.#own;
  }

  /** Resolves when no job is queued or running any more: all outcomes are recorded. */
  async recorded(): Promise<void> {
    while ((await this.#countLeased('processing')) > 0 || (await this.#countLeased('queued')) > 0) {
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  /** @throws Error when not exactly so many jobs have completed */
  async mustHaveCompleted(jobs: number): Promise<void> {
    this.#own += 1;
    const completed = await this.#jobs.countDocuments({ status: 'completed' });
    if (completed !== jobs) throw new Error(`${completed} of ${jobs} jobs have completed in the ledger`);
  }

  async close(): Promise<void> {
    await this.#db.dropDatabase();
    await this.#client.close();
  }

  #countLeased(status: string): Promise<number> {
    this.#own += 1;
    return this.#jobs.countDocuments({ status, beatAt: { $exists: true } }, { hint: 'lease' });
  }
}
