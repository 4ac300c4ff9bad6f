import { z } from 'zod';

/**
 * What harms more than the job itself. `stick` neither ends nor listens to its signal for `overstayMs`, `block` holds the event
 * loop for as long; the others end their process: by `process.exit`, by filling its heap, by a rejection that nobody handles.
 */
const DEEDS = ['stick', 'block', 'exit', 'out-of-memory', 'reject-unhandled'] as const;
export type Deed = (typeof DEEDS)[number];

/** Succeeds, with a result that no ledger can hold; `no-room`: it would fit, but not into the document of its own job. */
const UNSTORABLE = ['result-too-large', 'cycle', 'bigint', 'no-room'] as const;
export type Unstorable = (typeof UNSTORABLE)[number];

/**
 * What one run of a chaos job does. `overstay` works until well after its timeout; `fail-for-good` throws an error that no
 * other attempt may follow.
 */
const ACTS = ['ok', 'fail', 'fail-for-good', 'overstay', ...DEEDS, ...UNSTORABLE] as const;
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
  /** Instead of that, what its very first run does: an attempt that a crash ended begins again with the same number. */
  firstRun: z.enum(ACTS).optional(),
});

export type ChaosPayload = z.output<typeof chaosPayloadSchema>;

/** What the handler does in this attempt (1, 2, …). */
export function actOf(payload: Pick<ChaosPayload, 'acts'>, attempt: number): Act {
  return payload.acts[Math.min(attempt, payload.acts.length) - 1]!;
}

export function isDeed(act: Act): act is Deed {
  return DEEDS.some(deed => deed === act);
}

export function isUnstorable(act: Act): act is Unstorable {
  return UNSTORABLE.some(unstorable => unstorable === act);
}
