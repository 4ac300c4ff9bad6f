import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Scope } from '../config/config.ts';
import type { Stats } from '../pipeline/store/job-stats.ts';
import type { Identity } from './authenticator.ts';
import { identityOf } from './route-access.ts';

const count = z.int().min(0);
const connection = z.enum(['connected', 'disconnected']);

export const statsSchema = z.object({
  worker: z
    .object({
      config: z.object({
        mode: z.string(),
        queue: z.string(),
        batchSize: count,
        concurrency: count,
        intervalMs: count,
      }),
      isRunning: z.boolean(),
      batchLoading: z.boolean(),
    })
    .nullable()
    .describe('null in the API'),
  jobs: z.object({ pending: count, processing: count, completed: count, failed: count }),
  queue: z
    .object({ waiting: count, active: count, completed: count, failed: count })
    .describe('What Redis holds; zeros while it is disconnected'),
  connections: z.object({ mongo: connection, redis: connection }),
});

/** `GET /v1/stats`: the `getStats()` shape. `access` is the scope that it takes. */
export function serveStats(app: FastifyInstance, access: Scope, getStats: (caller: Identity) => Promise<Stats>): void {
  app.get(
    '/v1/stats',
    {
      config: { access },
      schema: { tags: ['operation'], summary: 'Numbers of jobs', querystring: noQuery, response: { 200: statsSchema } },
    },
    request => getStats(identityOf(request)),
  );
}

/** Routes that take no query say so: a misspelt parameter is an error, not ignored. */
export const noQuery = z.strictObject({});
