import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { monotonicMs, pause } from '../monotonic.ts';
import type { Outage } from '../oracle/evidence.ts';
import type { ChaosProcess } from './chaos-process.ts';
import { type Fault, inRounds, type Rhythm } from './faults.ts';

/** kill -9 of Redis, which is back after `awayMs` with what it kept: nothing without an append-only file. */
export function restartRedis(options: Rhythm & { awayMs: number; cutShare?: number }): Fault {
  return inRounds(options, async ({ world: { servers }, log }, signal) => {
    const at = monotonicMs();
    await servers.redis.kill9();
    const cut = options.cutShare === undefined ? null : cutAppendOnlyFile(servers.redis.folder, options.cutShare);
    await pause(options.awayMs, signal);
    await servers.redis.restart();
    const how = cut === null ? 'kill -9' : `kill -9, ${cut} bytes cut from the append-only file`;
    log.push({ kind: 'outage', of: 'redis', how, at, until: monotonicMs(), outlastsLease: false });
    return true;
  });
}

/**
 * Takes the end of the file away, as a disk that was full or lost its last writes would have.
 * @throws Error when there is nothing to cut.
 */
function cutAppendOnlyFile(folder: string, share: number): number {
  const parts = join(folder, 'appendonlydir');
  const last = readdirSync(parts).findLast(name => name.endsWith('.incr.aof'));
  const file = join(parts, last ?? '');
  const size = last === undefined ? 0 : statSync(file).size;
  const cut = Math.floor(size * share);
  if (cut === 0) throw new Error(`Redis has written no append-only file in ${parts}`);
  truncateSync(file, size - cut);
  return cut;
}

/** Redis is gone for long: how soon do the workers say that they are not ready? */
export function takeRedisAway({ forMs }: { forMs: number }): Fault {
  return async ({ world: { servers, fleet }, log }, signal) => {
    const at = monotonicMs();
    await servers.redis.kill9();
    const giveUpAt = at + forMs;
    const [unready] = await Promise.all([
      Promise.all(fleet.workers.map(worker => firstUnready(worker, { at, giveUpAt }, signal))),
      pause(forMs, signal),
    ]);
    await servers.redis.restart();
    log.push({ kind: 'outage', of: 'redis', how: 'away', at, until: monotonicMs(), outlastsLease: false, unready });
  };
}

const PROBE_MS = 200;
const PROBE_DEADLINE_MS = 3_000;

async function firstUnready(
  worker: ChaosProcess,
  { at, giveUpAt }: { at: number; giveUpAt: number },
  signal: AbortSignal,
): Promise<NonNullable<Outage['unready']>[number]> {
  while (!signal.aborted && monotonicMs() < giveUpAt) {
    if ((await healthStatus(worker)) === 503) return { worker: worker.name, afterMs: Math.round(monotonicMs() - at) };
    await pause(PROBE_MS, signal);
  }
  return { worker: worker.name, afterMs: null };
}

/** What a readiness probe is answered; null: nothing. */
async function healthStatus({ healthUrl }: ChaosProcess): Promise<number | null> {
  if (healthUrl === null) return null;
  const deadline = AbortSignal.timeout(PROBE_DEADLINE_MS);
  const answer = await fetch(`${healthUrl}/ready`, { signal: deadline }).catch(() => null);
  await answer?.body?.cancel();
  return answer?.status ?? null;
}

/** What the limit leaves above what Redis holds, and the pieces with which that is filled, the large ones first. */
const ROOM_BYTES = 2_000_000;
const PIECES_BYTES = [64_000, 4_000, 200];
const REFILL_MS = 250;

/** Redis reaches its maxmemory and refuses what needs more, for `forMs` at a time; then the limit is raised. */
export function fillRedis(options: Rhythm & { forMs: number; firstMs?: number }): Fault {
  return inRounds(options, async ({ world: { servers }, log }, signal) => {
    const redis = servers.redis.client();
    const refusedBefore = await refusedCommands(redis);
    const at = monotonicMs();
    await redis.config('SET', 'maxmemory', String((await usedBytes(redis)) + ROOM_BYTES));
    while (monotonicMs() - at < options.forMs && !signal.aborted) {
      await fillUp(redis);
      await pause(REFILL_MS, signal);
    }
    const refused = (await refusedCommands(redis)) - refusedBefore;
    await redis.config('SET', 'maxmemory', '0');
    const until = monotonicMs();
    log.push({ kind: 'outage', of: 'redis', how: 'maxmemory', at, until, outlastsLease: false, hits: refused });
    await redis.unlink(BALLAST);
    redis.disconnect();
    return true;
  });
}

const BALLAST = 'chaos:ballast';

async function fillUp(redis: Redis): Promise<void> {
  for (const bytes of PIECES_BYTES) {
    const piece = 'x'.repeat(bytes);
    while (await fits(redis.rpush(BALLAST, piece)));
  }
}

function fits(push: Promise<unknown>): Promise<boolean> {
  return push.then(
    () => true,
    error => {
      if (error instanceof Error && error.message.startsWith('OOM')) return false;
      throw error;
    },
  );
}

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
}

async function refusedCommands(redis: Redis): Promise<number> {
  return Number(/errorstat_OOM:count=(\d+)/.exec(await redis.info('errorstats'))?.[1] ?? 0);
}
