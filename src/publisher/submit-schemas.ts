import { z } from 'zod';
import type { JobRegistry } from '../jobs/define-job.ts';
import { bulkItemSchema, MOST_JOBS_IN_BULK, submissionSchema } from '../pipeline/submit/submission.ts';

/** The body of a submit for the documentation: one alternative a job type, with that type's payload. */
export function submitBodySchema(registry: JobRegistry): z.ZodType {
  return alternatives(registry, submissionSchema);
}

export function bulkBodySchema(registry: JobRegistry): z.ZodType {
  return z.strictObject({ jobs: z.array(alternatives(registry, bulkItemSchema)).min(1).max(MOST_JOBS_IN_BULK) });
}

function alternatives(registry: JobRegistry, base: typeof submissionSchema | typeof bulkItemSchema): z.ZodType {
  const [first, ...rest] = Object.values(registry).map(({ type, payload }) =>
    base.extend({ type: z.literal(type), payload }),
  );
  return first ? z.union([first, ...rest]) : base;
}
