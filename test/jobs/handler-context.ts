import { JOB_HANDLERS, type JobSubmission } from '../../src/jobs/index.ts';
import type { JobContext, JobServices } from '../../src/jobs/job-context.ts';

export interface RecordedContext extends JobContext {
  readonly logged: string[];
  readonly reported: unknown[];
  abort(reason: Error): void;
}

let jobs = 0;

/** A context as the runner makes it; a service that the test did not give fails when it is used. */
export function handlerContext(services: Partial<JobServices>, overrides: Partial<JobContext> = {}): RecordedContext {
  const controller = new AbortController();
  const logged: string[] = [];
  const reported: unknown[] = [];
  jobs += 1;
  return {
    jobId: hexId(jobs),
    type: 'test:job',
    tenant: 'acme',
    attempt: 1,
    maxRetries: 3,
    runKey: hexId(1_000_000 + jobs),
    signal: controller.signal,
    services: services as JobServices,
    log: message => logged.push(message),
    progress: value => reported.push(value),
    logged,
    reported,
    abort: reason => controller.abort(reason),
    ...overrides,
  };
}

export function hexId(number: number): string {
  return number.toString(16).padStart(24, '0');
}

/** The handler of a type, called as the runner calls it: with any payload. */
export function handlerOf(type: JobSubmission['type']): (payload: unknown, ctx: JobContext) => Promise<unknown> {
  return (payload, ctx) => JOB_HANDLERS[type].run(payload, ctx);
}
