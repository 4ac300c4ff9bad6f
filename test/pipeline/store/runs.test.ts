import { mongo } from 'mongoose';
import { describe, expect, it } from 'vitest';
import type { JobStatus } from '../../../src/pipeline/store/job-document.ts';
import { rescueRun } from '../../../src/pipeline/store/recovery-store.ts';
import { beat } from '../../../src/pipeline/store/run-leases.ts';
import { writeNotes } from '../../../src/pipeline/store/run-notes.ts';
import type { Outcome } from '../../../src/pipeline/store/run-outcomes.ts';
import { isAllowed } from '../../../src/pipeline/store/transitions.ts';
import { error, useJobs } from './use-jobs.ts';

const { context, other, read, start, end, suspect } = await useJobs();

describe('outcomes', () => {
  const outcomes: Record<string, [Outcome, JobStatus, string]> = {
    T5: [{ kind: 'completed', result: { a: 1 } }, 'completed', 'completed'],
    T6: [{ kind: 'retry', error, delayMs: 1_000 }, 'pending', 'pending'],
    T7: [{ kind: 'failed', error }, 'failed', 'failed'],
    T9: [{ kind: 'handed-back', delayMs: 0 }, 'pending', 'pending'],
    T10: [{ kind: 'child-died', error, poisoned: true, delayMs: 0 }, 'failed', 'failed'],
  };

  it.each(Object.entries(outcomes))(
    '%s is written once, and only by the run that holds the key',
    async (via, [outcome, status]) => {
      const job = await start();
      expect(await end({ ...job, runKey: new mongo.ObjectId() }, outcome)).toBe(0);
      expect(await end(job, outcome)).toBe(1);
      expect(await end(job, outcome)).toBe(0);
      const after = await read(job._id);
      expect(after.status).toBe(status);
      const last = after.history!.at(-1)!;
      expect(last).toMatchObject({ via, from: 'processing', to: status, runKey: job.runKey });
      expect(isAllowed(last.via, last.from, last.to)).toBe(true);
      expect(after.historySeq).toBe(after.history!.length);
      for (const field of ['token', 'owner', 'beatAt', 'leaseMs']) expect(after).not.toHaveProperty(field);
      if (status === 'pending') expect(after).not.toHaveProperty('runKey');
      else
        expect(after).toMatchObject({ runKey: job.runKey, finishedAt: expect.any(Date), expireAt: expect.any(Date) });
    },
  );

  it('a requested cancel stops retry, failure and hand-back, not success', async () => {
    for (const via of ['T6', 'T7', 'T9', 'T10']) {
      const job = await start();
      await context.jobs.updateOne({ _id: job._id }, { $set: { cancelRequestedAt: new Date() } });
      expect(await end(job, outcomes[via]![0])).toBe(0);
      expect(await end(job, { kind: 'cancelled' })).toBe(1);
    }
    const job = await start();
    expect(await end(job, { kind: 'cancelled' })).toBe(0);
    await context.jobs.updateOne({ _id: job._id }, { $set: { cancelRequestedAt: new Date() } });
    expect(await end(job, outcomes.T5![0])).toBe(1);
  });

  it('keeps the last ten errors', async () => {
    const job = await start({ errors: Array.from({ length: 10 }, (_, index) => ({ ...error, attempt: index })) });
    await end(job, { kind: 'failed', error: { ...error, attempt: 99 } });
    const { errors } = await read(job._id);
    expect(errors).toHaveLength(10);
    expect(errors!.at(-1)?.attempt).toBe(99);
  });
});

describe('beat', () => {
  it('renews what is ours, sees cancels, and knows what is lost', async () => {
    const mine = await start();
    const cancelled = await start();
    const lost = await start();
    await suspect(mine._id);
    await context.jobs.updateOne({ _id: cancelled._id }, { $set: { cancelRequestedAt: new Date() } });
    await context.jobs.updateOne({ _id: lost._id }, { $set: { runKey: new mongo.ObjectId() } });
    const refs = [mine, cancelled, lost].map(job => ({ id: job._id, runKey: job.runKey! }));
    expect(await beat(context, refs)).toEqual(['ok', 'cancel-requested', 'lost']);
    const renewed = await read(mine._id);
    expect(renewed).not.toHaveProperty('suspectAt');
    expect(renewed.beatAt!.getTime()).toBeGreaterThan(Date.now() - 10_000);
  });

  it('goes on with a run that was given up too early and that nobody has claimed since', async () => {
    const job = await start();
    await rescueRun(other, await suspect(job._id));
    expect((await read(job._id)).status).toBe('pending');
    expect(await beat(context, [{ id: job._id, runKey: job.runKey! }])).toEqual(['ok']);
    expect(await read(job._id)).toMatchObject({ status: 'processing', crashes: 1 });
    expect(await end(job, { kind: 'completed', result: 1 })).toBe(1);
  });

  it('carries progress and log lines of the run that holds the key only', async () => {
    const job = await start();
    const logs = [{ at: new Date(), attempt: 1, message: 'half way' }];
    await writeNotes(context, [{ id: job._id, runKey: new mongo.ObjectId(), notes: { progress: 1, logs } }]);
    expect(await read(job._id)).not.toHaveProperty('progress');
    await writeNotes(context, [{ id: job._id, runKey: job.runKey!, notes: { progress: { done: 50 }, logs } }]);
    expect(await read(job._id)).toMatchObject({ progress: { done: 50 }, logs });
  });
});
