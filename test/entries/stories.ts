import { appendFileSync } from 'node:fs';
import { z } from 'zod';
import { createRegistry, defineJob } from '../../src/jobs/define-job.ts';
import type { JobContext } from '../../src/jobs/job-context.ts';
import { TaskError } from '../../src/jobs/task-error.ts';
import { runProcess } from '../../src/run-process.ts';

/*
 * A LedgerMQ process, worker or API, whose job types do what the stories of test/integration need. Every run leaves a line
 * in AUDIT_FILE, outside the system under test.
 */

const auditFile = process.env.AUDIT_FILE;

function audit(ctx: JobContext, event: 'start' | 'ok' | 'fail'): void {
  const { jobId, type, attempt, runKey } = ctx;
  if (auditFile)
    appendFileSync(
      auditFile,
      `${JSON.stringify({ event, jobId, type, attempt, runKey, pid: process.pid, at: Date.now() })}\n`,
    );
}

/** Waits, or throws the abort's reason as soon as the signal says so. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

const cycle: Record<string, unknown> = {};
cycle.self = cycle;

const wait = defineJob({
  type: 'story:wait',
  payload: z.strictObject({ ms: z.number(), ignoreAbort: z.boolean().default(false) }),
  run: async ({ ms, ignoreAbort }, ctx) => {
    audit(ctx, 'start');
    await pause(ms, ignoreAbort ? undefined : ctx.signal);
    audit(ctx, 'ok');
    return { waited: ms };
  },
});

const fail = defineJob({
  type: 'story:fail',
  payload: z.strictObject({ times: z.number(), final: z.boolean().default(false) }),
  run: async ({ times, final }, ctx) => {
    audit(ctx, 'start');
    if (ctx.attempt <= times) {
      audit(ctx, 'fail');
      throw new TaskError(`attempt ${ctx.attempt} fails on purpose`, { retry: !final });
    }
    audit(ctx, 'ok');
    return { attempt: ctx.attempt };
  },
});

const THROWN: Record<string, () => unknown> = {
  string: () => 'just a text',
  undefined: () => undefined,
  cycle: () => cycle,
  'long-message': () => new Error('x'.repeat(5 << 20)),
};
const RETURNED: Record<string, () => unknown> = {
  '17MB': () => 'x'.repeat(17 << 20),
  bigint: () => 12n,
  cycle: () => cycle,
};

const misbehave = defineJob({
  type: 'story:misbehave',
  payload: z.strictObject({ how: z.string() }),
  maxRetries: 0,
  run: async ({ how }, ctx) => {
    audit(ctx, 'start');
    if (how.startsWith('throw:')) throw THROWN[how.slice(6)]!();
    if (how.startsWith('return:')) return RETURNED[how.slice(7)]!();
    if (how === 'never-end') await new Promise(() => undefined);
    if (how === 'exit') process.exit(7);
    if (how === 'out-of-memory') {
      const hoard: unknown[] = [];
      for (;;) hoard.push(Array.from({ length: 1_000 }, () => hoard.length));
    }
    if (how === 'reject-unhandled') {
      void Promise.reject(new Error('nobody catches this'));
      await pause(60_000, ctx.signal);
    }
    return how;
  },
});

const isolated = defineJob({
  type: 'story:isolated',
  payload: z.strictObject({ ms: z.number() }),
  isolate: true,
  run: async ({ ms }, ctx) => {
    ctx.progress({ pid: process.pid });
    ctx.log('in a child of its own');
    await pause(ms, ctx.signal);
    return { pid: process.pid };
  },
});

const block = defineJob({
  type: 'story:block',
  payload: z.strictObject({ ms: z.number() }),
  run: async ({ ms }, ctx) => {
    audit(ctx, 'start');
    const end = performance.now() + ms;
    // Only the first run blocks: the second one shows that the job goes on.
    if (ctx.attempt === 1 && ms > 0) while (performance.now() < end);
    audit(ctx, 'ok');
  },
});

await runProcess({
  registry: createRegistry([wait, fail, misbehave, isolated, block]),
  environment: process.env,
});
