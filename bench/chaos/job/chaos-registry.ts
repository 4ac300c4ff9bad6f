import { createRegistry, defineJob, type JobRegistry } from '../../../src/jobs/define-job.ts';
import type { JobContext } from '../../../src/jobs/job-context.ts';
import { TaskError } from '../../../src/jobs/task-error.ts';
import { pause } from '../monotonic.ts';
import { AuditLog } from './audit-log.ts';
import { type Act, actOf, type ChaosPayload, chaosPayloadSchema, isDeed, isUnstorable } from './chaos-payload.ts';
import { FirstRuns } from './first-runs.ts';
import { doDeed, unstorableResult } from './misbehave.ts';

export const CHAOS_TYPE = 'chaos:work';

/** The registry of every process under chaos: one type whose handler leaves evidence of all that it does. */
export function chaosRegistry(options: { auditDir: string; worker: string }): JobRegistry {
  // Opened at the first run: the API has the same registry and no handler ever runs there.
  let audit: AuditLog | null = null;
  const firstRuns = new FirstRuns(options.auditDir);
  return createRegistry([
    defineJob({
      type: CHAOS_TYPE,
      payload: chaosPayloadSchema,
      run: (payload, ctx) => {
        audit ??= new AuditLog(options.auditDir, options.worker);
        const isFirst = payload.firstRun !== undefined && firstRuns.claim(ctx.jobId);
        const act = isFirst ? payload.firstRun! : actOf(payload, ctx.attempt);
        return work(payload, { ctx, audit, act });
      },
    }),
  ]);
}

async function work(
  payload: ChaosPayload,
  { ctx, audit, act }: { ctx: JobContext; audit: AuditLog; act: Act },
): Promise<unknown> {
  const { jobId, runKey, attempt } = ctx;
  audit.write({ event: 'start', jobId, runKey, attempt, key: payload.key });
  const workMs = act === 'overstay' ? payload.overstayMs : payload.workMs;
  await pause(workMs, payload.honoursSignal ? ctx.signal : undefined);
  if (payload.honoursSignal && ctx.signal.aborted) {
    audit.write({ event: 'end', jobId, runKey, outcome: 'fail', why: 'aborted' });
    throw new Error('stopped by its signal');
  }
  if (isDeed(act)) {
    audit.write({ event: 'deed', jobId, runKey, act });
    await doDeed(act, payload.overstayMs);
  }
  if (act === 'fail' || act === 'fail-for-good') {
    audit.write({ event: 'end', jobId, runKey, outcome: 'fail', why: 'planned' });
    throw new TaskError(`attempt ${attempt} fails as planned`, { retry: act === 'fail' });
  }
  audit.write({ event: 'end', jobId, runKey, outcome: 'ok' });
  return isUnstorable(act) ? unstorableResult(act) : { key: payload.key };
}
