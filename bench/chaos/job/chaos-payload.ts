import { z } from 'zod';

/**
 * What one attempt of a chaos job does. `overstay` works until well after its timeout; `fail-for-good` throws an error that
 * no other attempt may follow.
 */
const ACTS = ['ok', 'fail', 'fail-for-good', 'overstay'] as const;
export type Act = (typeof ACTS)[number];

/** The payload is the whole plan of the job, so that its behaviour depends on nothing but the job itself. */
export const chaosPayloadSchema = z.strictObject({
  /** The publisher's own name of the job: also its idempotency key. */
  key: z.string().min(1),
  workMs: z.int().min(0),
  overstayMs: z.int().min(0),
  /** Whether the handler stops when its signal aborts. */
  honoursSignal: z.boolean(),
  /** By attempt; the last one counts for all that follow. */
  acts: z.array(z.enum(ACTS)).min(1),
});

export type ChaosPayload = z.output<typeof chaosPayloadSchema>;

/** What the handler does in this attempt (1, 2, …). */
export function actOf(payload: Pick<ChaosPayload, 'acts'>, attempt: number): Act {
  return payload.acts[Math.min(attempt, payload.acts.length) - 1]!;
}
