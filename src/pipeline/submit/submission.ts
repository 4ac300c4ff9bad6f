import { z } from 'zod';
import { RETRY_STRATEGIES } from '../../platform/backoff.ts';

const DAY_MS = 24 * 3_600_000;

/** How far ahead a job may be planned, and how far back its `runAt` may lie. */
export const FARTHEST_AHEAD_MS = 3_650 * DAY_MS;
export const FARTHEST_BACK_MS = 365 * DAY_MS;
export const MOST_JOBS_IN_BULK = 1_000;
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

const LONGEST_RUN_MS = 7 * DAY_MS;

const tag = z.string().regex(/^\P{Cc}{1,64}$/u, 'must have 1 to 64 characters, no control characters');

/** A body of `POST /v1/jobs` by its shape alone; whether type, lane, time and payload are acceptable comes after. */
export const submissionSchema = z.strictObject({
  type: z
    .string()
    .regex(/^\w[\w:.-]{0,127}$/, 'must be the name of a job type, such as email:send')
    .describe('Name of the job type'),
  payload: z.unknown().optional().describe('What the handler gets; its shape is that of the type'),
  queue: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/i, 'must be a lane name: letters, digits, _ and -')
    .optional()
    .describe("Lane; the type's own when left out"),
  priority: z.int().min(0).max(10).optional().describe('Larger first; 5 when left out'),
  runAt: z.iso.datetime({ offset: true }).optional().describe('Not before this time'),
  delayMs: z.int().min(0).max(FARTHEST_AHEAD_MS).optional().describe('Not before this many milliseconds from now'),
  maxRetries: z.int().min(0).max(100).optional().describe('n retries are n + 1 attempts'),
  retry: z
    .strictObject({
      strategy: z.enum(RETRY_STRATEGIES).optional(),
      delayMs: z.int().min(0).max(LONGEST_RUN_MS).optional(),
      maxDelayMs: z.int().min(0).max(LONGEST_RUN_MS).optional(),
      jitter: z.number().min(0).max(1).optional(),
    })
    .optional()
    .describe("Wait before another attempt; what is left out comes from the type's policy"),
  timeoutMs: z.int().min(10).max(LONGEST_RUN_MS).optional().describe('Longest run of the handler'),
  startByMs: z
    .int()
    .min(1)
    .max(FARTHEST_AHEAD_MS)
    .optional()
    .describe('A job that has not started this many milliseconds after it was due fails as expired'),
  tags: z.array(tag).max(16).optional(),
  metadata: z.record(z.string(), z.unknown()).optional().describe("The caller's own; LedgerMQ does not read it"),
});

/** An element of `jobs` of `POST /v1/jobs/bulk`. */
export const bulkItemSchema = submissionSchema.extend({
  idempotencyKey: z.string().regex(IDEMPOTENCY_KEY, 'must be 1 to 255 visible ASCII characters').optional(),
});

export const bulkSchema = z.strictObject({ jobs: z.array(z.unknown()).min(1).max(MOST_JOBS_IN_BULK) });

/** A submission whose shape has been checked. */
export type CheckedShape = z.output<typeof submissionSchema>;
