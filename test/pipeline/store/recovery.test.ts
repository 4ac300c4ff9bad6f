import { describe, expect, it } from 'vitest';
import {
  expireUnstarted,
  refreshQueued,
  releaseQueued,
  rescueRun,
  writeQueued,
} from '../../../src/pipeline/store/recovery-store.ts';
import { beat, markIsolated } from '../../../src/pipeline/store/run-leases.ts';
import { error, useJobs } from './use-jobs.ts';

const { context, other, insert, read, claimOne, start, end, age, suspect } = await useJobs();

describe('recovery', () => {
  it('S1 releases or refreshes exactly what it read', async () => {
    const job = await insert();
    await claimOne();
    const seen = await age(job._id);
    expect(await writeQueued(context, [refreshQueued(seen, 'waiting')!])).toBe(1);
    // It moved: what was read before holds no more.
    expect(await writeQueued(context, [releaseQueued(context, seen)])).toBe(0);
    expect(await writeQueued(context, [releaseQueued(context, await age(job._id))])).toBe(1);
    expect(await read(job._id)).toMatchObject({ status: 'pending' });
  });

  it('S1 refreshes a job that hangs before its gate three times only', async () => {
    const job = await insert();
    await claimOne();
    for (let round = 0; round < 3; round += 1) {
      expect(await writeQueued(context, [refreshQueued(await age(job._id), 'active')!])).toBe(1);
    }
    expect(refreshQueued(await age(job._id), 'active')).toBeNull();
  });

  it('S2 leaves a run alone that has moved since it was seen', async () => {
    const job = await start();
    const seen = await suspect(job._id);
    await beat(context, [{ id: job._id, runKey: job.runKey! }]);
    expect(await rescueRun(other, seen)).toBeNull();
    expect((await read(job._id)).status).toBe('processing');
  });

  it('S2 counts a crash, not a failure; a late success of the old run still counts, a late failure does not', async () => {
    const job = await start();
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'pending' });
    expect(await read(job._id)).toMatchObject({ crashes: 1, failures: 0, runKey: job.runKey });
    expect(await end(job, { kind: 'failed', error })).toBe(0);
    expect(await end(job, { kind: 'completed', result: 1, late: true })).toBe(1);
    expect((await read(job._id)).history!.at(-1)).toMatchObject({ via: 'T5s' });
  });

  it('S2 and T9 leave a job its place in the line', async () => {
    const runAt = new Date(Date.now() - 60_000);
    const rescued = await start({ runAt });
    await rescueRun(other, await suspect(rescued._id));
    expect((await read(rescued._id)).runAt).toEqual(runAt);
    const handedBack = await start({ runAt: new Date(runAt.getTime() - 1_000) });
    expect(await end(handedBack, { kind: 'handed-back', delayMs: 0 })).toBe(1);
    expect((await read(handedBack._id)).runAt).toEqual(new Date(runAt.getTime() - 1_000));
  });

  it('S2: once the job is claimed again, the old run has no say', async () => {
    const job = await start();
    await rescueRun(other, await suspect(job._id));
    await claimOne();
    expect(await end(job, { kind: 'completed', result: 1, late: true })).toBe(0);
    expect(await beat(context, [{ id: job._id, runKey: job.runKey! }])).toEqual(['lost']);
  });

  it('S2 ends a run as cancelled whose cancel was requested', async () => {
    const job = await start();
    await context.jobs.updateOne({ _id: job._id }, { $set: { cancelRequestedAt: new Date() } });
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'cancelled' });
  });

  it('S2 gives an isolated run up after ten rescues', async () => {
    const job = await start({ crashes: 2, isolatedRescues: 9 });
    await markIsolated(context, { id: job._id, runKey: job.runKey! });
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'failed' });
    expect(await read(job._id)).toMatchObject({ crashes: 2, isolatedRescues: 10, errors: [{ name: 'poison' }] });
  });

  it('S2 counts nothing against a suspect whose child had not begun', async () => {
    const job = await start({ crashes: 2, isolatedRescues: 9 });
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'pending' });
    const back = await read(job._id);
    expect(back).toMatchObject({ crashes: 2, isolatedRescues: 9 });
    expect(back.runAt.getTime()).toBeLessThanOrEqual(Date.now() + 100);
  });

  it('T11 fails what did not start in time, pending or queued, and nothing else', async () => {
    const past = new Date(Date.now() - 1_000);
    const running = await start({ startBy: past });
    const back = await start({ startBy: past });
    await end(back, { kind: 'handed-back', delayMs: 60_000 });
    await insert({ startBy: past });
    await claimOne();
    await insert({ startBy: past, runAt: new Date(Date.now() + 60_000) });
    await insert({ startBy: new Date(Date.now() + 60_000), runAt: new Date(Date.now() + 60_000) });
    expect(await expireUnstarted(context, () => undefined)).toHaveLength(2);
    expect(await context.jobs.countDocuments({ status: 'failed' })).toBe(2);
    expect((await read(running._id)).status).toBe('processing');
    expect(await read(back._id)).toMatchObject({ status: 'pending', history: { length: 4 } });
  });
});
