import { findJob } from '../../src/jobs/define-job.ts';
import { JOB_HANDLERS } from '../../src/jobs/index.ts';
import { RefusedError } from '../../src/platform/errors.ts';

export interface SubmitAnswer {
  status: 202 | 400 | 422;
  /** Of a 422. */
  slug?: string;
  pointers?: string[];
}

/** What a submit answers for a payload: first the rule of its type, then its shape. */
export function submitCheck(type: string, payload: unknown): SubmitAnswer {
  const definition = findJob(JOB_HANDLERS, type);
  if (!definition) throw new Error(`no type ${type}`);
  try {
    definition.refuse?.(payload);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return { status: 422, slug: error.code, pointers: [error.pointer ?? ''] };
  }
  const parsed = definition.payload.safeParse(payload);
  if (parsed.success) return { status: 202 };
  return { status: 400, pointers: parsed.error.issues.map(issue => `/${issue.path.join('/')}`) };
}
