import { z } from 'zod';
import { messageOf } from '../platform/errors.ts';
import { defineJob } from './define-job.ts';
import type { JobContext } from './job-context.ts';
import { abortable } from './services/abortable.ts';
import { cacheKey, redisReady } from './services/cache-keys.ts';
import { outgoingRequest } from './services/outgoing-request.ts';
import { outgoingUrlSchema, refuseUrl } from './services/outgoing-url.ts';
import { TaskError } from './task-error.ts';

const MAX_ITEMS = 100;
const CONCURRENCY = 5;
const REQUEST_TIMEOUT_MS = 10_000;
/** Redis also carries the queues: a cache must not fill it. */
const MAX_BODY_BYTES = 1024 ** 2;

const payload = z
  .strictObject({
    /** Fetched with GET; the body of a 2xx answer is kept. */
    urls: z.array(outgoingUrlSchema).min(1).max(MAX_ITEMS).optional(),
    /** Names of entries that are there already: they live on for another `ttlSeconds`. A warmed URL is its own name. */
    keys: z.array(z.string().min(1).max(2_048)).min(1).max(MAX_ITEMS).optional(),
    ttlSeconds: z
      .int()
      .min(1)
      .max(30 * 86_400)
      .default(3_600),
  })
  .superRefine((value, context) => {
    if ((value.urls === undefined) === (value.keys === undefined)) {
      context.addIssue({ code: 'custom', path: ['urls'], message: 'exactly one of urls, keys is needed' });
    }
  });

const result = z.strictObject({ warmed: z.number(), failed: z.number() });

/**
 * Fills the tenant's cache in Redis, `ledgermq:cache:<tenant>:<name>`. An item that fails is counted and logged; when none
 * succeeds the job fails, for good when no attempt can help.
 */
export const cacheWarm = defineJob({
  type: 'cache:warm',
  payload,
  result,
  refuse: candidate => {
    const { urls } = Object(candidate) as { urls?: unknown };
    if (!Array.isArray(urls)) return;
    for (const [index, url] of urls.slice(0, MAX_ITEMS).entries()) refuseUrl(url, `/urls/${index}`);
  },
  async run({ urls, keys, ttlSeconds }, ctx) {
    await redisReady(ctx.services.redis, ctx.signal);
    const failures = urls
      ? await eachOf(urls, ctx, url => warmUrl(url, ttlSeconds, ctx))
      : await eachOf(keys ?? [], ctx, key => refreshKey(key, ttlSeconds, ctx));
    const total = (urls ?? keys ?? []).length;
    if (failures.length === total) throw allFailed(failures);
    return { warmed: total - failures.length, failed: failures.length };
  },
});

/** Runs `work` for all items, a few at a time; answers what went wrong. Faults of Redis and an abort end the whole run. */
async function eachOf(
  items: readonly string[],
  ctx: JobContext,
  work: (item: string) => Promise<void>,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  const queue = items.entries();
  let done = 0;
  const lane = async () => {
    for (const [index, item] of queue) {
      try {
        await work(item);
      } catch (error) {
        ctx.signal.throwIfAborted();
        if (error instanceof CacheUnavailableError) throw error;
        failures.push(error);
        ctx.log(`item ${index} failed: ${messageOf(error)}`);
      }
      done += 1;
      ctx.progress(Math.round((100 * done) / items.length));
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, lane));
  return failures;
}

async function warmUrl(url: string, ttlSeconds: number, ctx: JobContext): Promise<void> {
  const { status, body, truncated } = await outgoingRequest({
    method: 'GET',
    url,
    allowHosts: ctx.services.outgoing.allowHosts,
    signal: ctx.signal,
    timeoutMs: REQUEST_TIMEOUT_MS,
    maxBytes: MAX_BODY_BYTES,
  });
  if (status < 200 || status >= 300) {
    throw new TaskError(`answered ${status}`, { retry: status >= 500 || status === 408 || status === 429 });
  }
  if (truncated) throw new TaskError(`answered more than ${MAX_BODY_BYTES} bytes`, { retry: false });
  await inCache(ctx, ctx.services.redis.set(cacheKey(ctx.tenant, url), body, 'EX', ttlSeconds));
}

async function refreshKey(key: string, ttlSeconds: number, ctx: JobContext): Promise<void> {
  const found = await inCache(ctx, ctx.services.redis.expire(cacheKey(ctx.tenant, key), ttlSeconds));
  if (found === 0) throw new TaskError('there is no such entry', { retry: false });
}

/** Redis itself fails: no matter of one item. */
class CacheUnavailableError extends Error {}

async function inCache<T>(ctx: JobContext, command: Promise<T>): Promise<T> {
  try {
    return await abortable(command, ctx.signal);
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw new CacheUnavailableError(`Redis did not take the entry: ${messageOf(error)}`, { cause: error });
  }
}

/** Tells by the first failure what went wrong; another attempt is worth it when any of them may pass. */
function allFailed(failures: readonly unknown[]): TaskError {
  const first = failures[0];
  const retry = failures.some(failure => !(failure instanceof TaskError) || failure.retry);
  const error = new TaskError(`nothing was warmed: ${messageOf(first)}`, { retry, cause: first });
  if (!retry && first instanceof Error) error.name = first.name;
  return error;
}
