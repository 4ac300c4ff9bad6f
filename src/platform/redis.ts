import { Redis, type RedisOptions } from 'ioredis';
import type { RedisConfig } from '../config/config.ts';

/**
 * How a connection behaves when Redis is away. `worker`: waits for ever (BullMQ's consumer). `producer`: fails at once, so
 * that nobody waits for Redis. `blocking`: a consumer of our own that blocks on a list.
 */
export type RedisRole = 'worker' | 'producer' | 'blocking';

/** Without the one member whose optional type the constructor of ioredis spells differently. */
type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>;

const OPTIONS: Record<RedisRole, ConnectionOptions> = {
  // socketTimeout must exceed BullMQ's block of 10 s plus drainDelay; it heals half-open connections. Never commandTimeout here.
  worker: {
    maxRetriesPerRequest: null,
    keepAlive: 30_000,
    socketTimeout: 15_000,
    connectTimeout: 5_000,
    retryStrategy: times => Math.min(50 * 2 ** times, 1_000),
  },
  producer: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 2_000,
    connectTimeout: 2_000,
    retryStrategy: times => Math.min(50 * 2 ** times, 1_000),
  },
  blocking: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    keepAlive: 30_000,
    socketTimeout: 15_000,
    connectTimeout: 2_000,
    retryStrategy: times => Math.min(50 * 2 ** times, 1_000),
  },
};

/**
 * Opens a connection; it keeps reconnecting by itself. `onError` is called once an outage, not once an attempt.
 */
export function openRedis(config: RedisConfig, role: RedisRole, onError: (error: Error) => void): Redis {
  const options: ConnectionOptions = { ...OPTIONS[role], host: config.host, port: config.port, db: config.db };
  if (config.username) options.username = config.username;
  if (config.password) options.password = config.password;
  if (config.tls) options.tls = {};
  const redis = new Redis(options);
  let away = false;
  redis.on('ready', () => {
    away = false;
  });
  redis.on('error', error => {
    if (away) return;
    away = true;
    onError(error);
  });
  return redis;
}
