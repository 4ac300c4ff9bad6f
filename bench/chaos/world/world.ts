import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { readServerSettings } from '../../../src/config/server-settings.ts';
import { removeAbandoned } from '../../../src/embedded/servers/data-dir.ts';
import { ProcessGuard } from '../../../src/embedded/servers/process-guard.ts';
import { type Servers, startServers } from '../../../src/embedded/servers/start-servers.ts';
import { testEnv } from '../../../test/helpers/config.ts';
import { withDatabase } from '../../../test/helpers/mongo.ts';
import { auditDir } from './chaos-process.ts';
import { Fleet } from './fleet.ts';
import { LedgerProbe } from './ledger-probe.ts';
import { endLeftovers } from './leftovers.ts';

export interface WorldOptions {
  /** Folder of all rounds: `.data/chaos`. */
  parentDir: string;
  runDir: string;
  /** Compiled entry of the processes under test. */
  entry: string;
  concurrency: number;
  /** Of this process: PATH, HOME, and which MongoDB to use. */
  environment: Readonly<Record<string, string | undefined>>;
}

/** The servers and processes of one round, nothing shared with anybody. */
export class World {
  readonly fleet: Fleet;
  readonly probe: LedgerProbe;
  readonly #servers: Servers;
  readonly #guard: ProcessGuard;
  readonly #dataDir: string;
  readonly #runDir: string;
  readonly #redis: Redis;

  private constructor(parts: {
    fleet: Fleet;
    probe: LedgerProbe;
    servers: Servers;
    guard: ProcessGuard;
    dir: string;
    runDir: string;
  }) {
    this.fleet = parts.fleet;
    this.probe = parts.probe;
    this.#servers = parts.servers;
    this.#guard = parts.guard;
    this.#dataDir = parts.dir;
    this.#runDir = parts.runDir;
    const { host, port } = parts.servers.redis;
    this.#redis = new Redis({ host, port });
    this.#redis.on('error', () => undefined);
  }

  static async start(options: WorldOptions): Promise<World> {
    const { parentDir, runDir, environment } = options;
    mkdirSync(auditDir(runDir), { recursive: true });
    await removeAbandoned(parentDir, 'servers-');
    const dir = join(parentDir, `servers-${process.pid}`);
    const guard = new ProcessGuard();
    await guard.start();
    const servers = await startServers({ mode: 'private', dataDir: dir, config: settings(environment), log: SILENT });
    // A name of its own, in case the server is not ours alone.
    const uri = withDatabase(servers.mongo.uri, `chaos_${process.pid}_${Date.now().toString(36)}`);
    const env = {
      PATH: environment.PATH ?? '',
      HOME: environment.HOME ?? '',
      ...testEnv(
        { mongo: { uri }, redis: { port: servers.redis.port } },
        { LOG_LEVEL: 'info', WORKER_SIZE_JOBS: String(options.concurrency) },
      ),
    };
    const fleet = new Fleet({ entry: options.entry, runDir, guard, env });
    try {
      return new World({ fleet, probe: await LedgerProbe.connect(uri), servers, guard, dir, runDir });
    } catch (error) {
      await servers.stop();
      await guard.stop();
      throw error;
    }
  }

  /** One line that says which servers run. */
  describe(): string {
    return this.#servers.describe();
  }

  async flushAll(): Promise<void> {
    await this.#redis.flushall();
  }

  /** Ends all that is left and removes the servers' data. */
  async stop(): Promise<void> {
    await this.fleet.stop();
    await endLeftovers(this.#runDir);
    this.#redis.disconnect();
    await this.probe.dropDatabase().catch(() => undefined);
    await this.probe.close();
    await this.#servers.stop();
    await this.#guard.stop();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

const SILENT = { info: () => undefined, warn: () => undefined };

/** MONGO_URI and QUEUE_REDIS_* are not looked at: they may be somebody's ledger, and Redis is going to be flushed. */
function settings(environment: WorldOptions['environment']): ReturnType<typeof readServerSettings> {
  const { TEST_MONGO_URI, LEDGERMQ_MONGO, MONGOD_BINARY, PATH } = environment;
  return readServerSettings({ NODE_ENV: 'test', MONGO_URI: TEST_MONGO_URI, LEDGERMQ_MONGO, MONGOD_BINARY, PATH });
}
