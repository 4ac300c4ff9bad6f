import { findJob, type JobDefinition, type JobRegistry } from '../../jobs/define-job.ts';
import { RefusedError } from '../../platform/errors.ts';
import { type InputError, inputErrorsOf } from './input-errors.ts';
import { type CheckedShape, FARTHEST_AHEAD_MS, FARTHEST_BACK_MS, submissionSchema } from './submission.ts';

export interface Rules {
  registry: JobRegistry;
  lanes: ReadonlySet<string>;
  now: Date;
}

/** A submission that may be stored. */
export interface CheckedSubmission {
  definition: JobDefinition;
  lane: string;
  runAt: Date;
  shape: CheckedShape;
}

export type CheckResult =
  | { status: 'ok'; checked: CheckedSubmission }
  /** Wrong shape (HTTP 400). */
  | { status: 'invalid'; errors: InputError[] }
  /** Right shape, but a rule refuses a value (HTTP 422). */
  | { status: 'refused'; slug: string; detail: string; pointer: string };

/**
 * Decides about one body. In this order: shape, type, lane, what leads outside, time, and last the payload's own shape; a path
 * or URL that leads outside is refused whatever else is wrong with its payload.
 */
export function checkSubmission(body: unknown, rules: Rules): CheckResult {
  const parsed = submissionSchema.safeParse(body);
  if (!parsed.success) return { status: 'invalid', errors: inputErrorsOf(parsed.error.issues).map(named) };
  const shape = parsed.data;
  const definition = findJob(rules.registry, shape.type);
  if (!definition) return refused('unknown-job-type', '/type', 'no such job type: GET /v1/job-types lists them');
  const lane = shape.queue ?? definition.queue;
  if (!rules.lanes.has(lane)) {
    return refused('unknown-queue', '/queue', `no such queue: use one of ${[...rules.lanes].join(', ')}`);
  }
  const outside = leadsOutside(definition, shape.payload);
  if (outside) return outside;
  if (shape.runAt !== undefined && shape.delayMs !== undefined) {
    return { status: 'invalid', errors: [{ pointer: '/delayMs', detail: 'goes without runAt: send one of the two' }] };
  }
  const runAt = shape.runAt ? new Date(shape.runAt) : new Date(rules.now.getTime() + (shape.delayMs ?? 0));
  if (!inRange(runAt, rules.now)) {
    return refused('run-at-out-of-range', '/runAt', 'must lie within ten years ahead and one year back');
  }
  const payload = definition.payload.safeParse(shape.payload);
  if (!payload.success) return { status: 'invalid', errors: inputErrorsOf(payload.error.issues, '/payload') };
  return { status: 'ok', checked: { definition, lane, runAt, shape } };
}

/** Fields of the documented API whose machinery does not exist yet are refused by name, never accepted and ignored. */
function named(error: InputError): InputError {
  return error.pointer === '/webhook' ? { ...error, detail: 'webhooks are not available yet: leave it out' } : error;
}

function refused(slug: string, pointer: string, detail: string): CheckResult {
  return { status: 'refused', slug, detail, pointer };
}

function leadsOutside(definition: JobDefinition, payload: unknown): CheckResult | null {
  try {
    definition.refuse?.(payload);
    return null;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return refused(error.code, `/payload${error.pointer ?? ''}`, error.message);
  }
}

function inRange(runAt: Date, now: Date): boolean {
  const aheadMs = runAt.getTime() - now.getTime();
  return aheadMs <= FARTHEST_AHEAD_MS && aheadMs >= -FARTHEST_BACK_MS;
}
