import type { ServerSettings } from '../../config/server-settings.ts';
import { LedgerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { DataDir } from './data-dir.ts';
import { type RunningMongo, startMongo } from './mongo.ts';
import { ProcessGuard } from './process-guard.ts';
import { type RunningRedis, startRedis } from './redis.ts';

export interface Servers {
  readonly mongo: Omit<RunningMongo, 'stop'>;
  readonly redis: Omit<RunningRedis, 'stop'>;
  /** One line that says which servers run; no password in it. */
  describe(): string;
  /** What a LedgerMQ process needs in its environment to use them. */
  environment(): Record<string, string>;
  /** Ends what was started; data stay in the folder. May be repeated. */
  stop(): Promise<void>;
}

export interface StartServersOptions {
  /** `demo` may use a Redis that already runs on this machine; `private` shares nothing with anybody. */
  mode: 'demo' | 'private';
  dataDir: string;
  config: ServerSettings;
  log: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Servers for a machine that has none: for demo, tests and benchmarks, never for production. They end with `stop()`, and
 * also when this process dies in whatever way.
 * @throws LedgerError `embedded-refused` under NODE_ENV=production, `data-dir-in-use`, and those of startMongo, startRedis
 */
export async function startServers(options: StartServersOptions): Promise<Servers> {
  const { config, log, mode } = options;
  refuseInProduction(config.env);
  const dataDir = await DataDir.claim(options.dataDir);
  const guard = new ProcessGuard();
  const running: { stop(): Promise<void> }[] = [{ stop: async () => dataDir.release() }, guard];
  let stopping: Promise<void> | null = null;
  const stop = () => {
    stopping ??= stopInReverse(running);
    return stopping;
  };
  try {
    await guard.start();
    const redis = await startRedis({ mode, settings: config, guard, dataDir });
    running.push(redis);
    const mongo = await startMongo({ settings: config, guard, dataDir, log });
    running.push(mongo);
    log.info(describeServers(mongo, redis));
    return {
      mongo,
      redis,
      describe: () => describeServers(mongo, redis),
      environment: () => environmentFor(mongo, redis),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopInReverse(running: readonly { stop(): Promise<void> }[]): Promise<void> {
  for (const service of [...running].reverse()) await service.stop().catch(() => undefined);
}

/** @throws LedgerError `embedded-refused` */
function refuseInProduction(env: string): void {
  if (env !== 'production') return;
  throw new LedgerError(
    'embedded-refused',
    'NODE_ENV=production never starts servers of its own: set MONGO_URI and QUEUE_REDIS_HOST to real ones',
  );
}

const MONGO_NAMES: Record<RunningMongo['kind'], string> = {
  configured: 'as configured',
  mongod: 'mongod of this machine, one-node replica set',
  downloaded: 'downloaded mongod, one-node replica set',
  embedded: 'embedded ledger server, for demo and tests only',
};

const REDIS_NAMES: Record<RunningRedis['kind'], string> = {
  configured: 'as configured',
  found: 'already running here',
  private: 'private',
};

function describeServers(mongo: Omit<RunningMongo, 'stop'>, redis: Omit<RunningRedis, 'stop'>): string {
  const hosts = mongo.uri.replace(/^mongodb(\+srv)?:\/\/(?:[^@/]*@)?/, '').replace(/[/?].*$/, '');
  return (
    `MongoDB ${mongo.version} at ${hosts} (${MONGO_NAMES[mongo.kind]}); ` +
    `Redis ${redis.version} at ${redis.host}:${redis.port} database ${redis.db} prefix ${redis.prefix} (${REDIS_NAMES[redis.kind]})`
  );
}

function environmentFor(mongo: Omit<RunningMongo, 'stop'>, redis: Omit<RunningRedis, 'stop'>): Record<string, string> {
  return {
    MONGO_URI: mongo.uri,
    QUEUE_REDIS_HOST: redis.host,
    QUEUE_REDIS_PORT: String(redis.port),
    QUEUE_REDIS_DB: String(redis.db),
    QUEUE_REDIS_TLS: String(redis.tls),
    QUEUE_PREFIX: redis.prefix,
    ...(redis.username ? { QUEUE_REDIS_USERNAME: redis.username } : {}),
    ...(redis.password ? { QUEUE_REDIS_PASSWORD: redis.password } : {}),
  };
}
