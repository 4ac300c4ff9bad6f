import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { messageOf } from '../../platform/errors.ts';
import { abortable } from './abortable.ts';

const READY_TIMEOUT_MS = 2_000;

/** Where an entry of a tenant's cache stands in Redis; its value is the body as it came, its TTL that of the job. */
export function cacheKey(tenant: string, name: string): string {
  return `ledgermq:cache:${tenant}:${name}`;
}

/** A connection that was just opened takes no commands yet: waits a short while, or until Redis refuses it. */
export async function redisReady(redis: Redis, signal: AbortSignal): Promise<void> {
  if (redis.status === 'ready') return;
  const late = AbortSignal.timeout(READY_TIMEOUT_MS);
  try {
    await abortable(once(redis, 'ready', { signal: late }), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`Redis is not ready: ${messageOf(error)}`, { cause: error });
  }
}
