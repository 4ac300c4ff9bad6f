import { ConfigError } from '../platform/errors.ts';
import type { Config, RedisConfig } from './config.ts';
import { loadConfig } from './load.ts';

/** What decides which servers demo, tests and benchmarks start for themselves. */
export interface ServerSettings {
  env: Config['env'];
  /** MONGO_URI; null starts one. */
  mongoUri: string | null;
  /** The configured Redis; null finds or starts one. */
  redis: RedisConfig | null;
  /** QUEUE_PREFIX; null lets the servers choose. */
  prefix: string | null;
  embedded: Config['embedded'];
  /** PATH, to look for servers in. */
  path: string;
}

const ANY_URI = 'mongodb://127.0.0.1/';

/**
 * Reads the same variables as `loadConfig`, but tells what was set from what is only a default: a MongoDB or Redis that is
 * not named may be started.
 * @throws ConfigError
 */
export function readServerSettings(environment: Readonly<Record<string, string | undefined>>): ServerSettings {
  const isSet = (name: string) => Boolean(environment[name]?.trim());
  const hasMongo = isSet('MONGO_URI') || isSet('MONGO_URI_FILE');
  const hasRedis = isSet('QUEUE_REDIS_HOST') || isSet('QUEUE_REDIS_PORT') || isSet('REDIS_URL');
  if (!hasMongo && environment.NODE_ENV?.trim() === 'production') {
    throw new ConfigError(['MONGO_URI is required: NODE_ENV=production never starts servers of its own']);
  }
  const config = loadConfig(hasMongo ? environment : { ...environment, MONGO_URI: ANY_URI });
  return {
    env: config.env,
    mongoUri: hasMongo ? config.mongo.uri : null,
    redis: hasRedis ? config.redis : null,
    prefix: isSet('QUEUE_PREFIX') ? config.queue.prefix : null,
    embedded: config.embedded,
    path: environment.PATH ?? '',
  };
}
