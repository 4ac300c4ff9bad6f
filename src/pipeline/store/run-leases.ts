import type { RunRef } from './job-document.ts';
import { statusChange } from './status-change.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

/** What a beat learned of a run: it is ours, it is ours and a cancel was requested, or it belongs to another now. */
export type BeatResult = 'ok' | 'cancel-requested' | 'lost';

/** T4: renews the leases of running jobs, then looks whose they are. Answers in the order of `runs`. */
export async function beat(context: StoreContext, runs: readonly RunRef[]): Promise<BeatResult[]> {
  const { jobs, bounded } = context;
  const ids = runs.map(run => run.id);
  const pairs = runs.map(({ id, runKey }) => ({ _id: id, runKey }));
  await bounded(
    jobs.updateMany(
      { _id: { $in: ids }, status: 'processing', $or: pairs },
      { $currentDate: { beatAt: true }, $unset: { suspectAt: '' } },
      { writeConcern: WRITE_CONCERNS.one! },
    ),
    'beat',
  );
  const found = await bounded(
    jobs.find({ _id: { $in: ids } }, { projection: { status: 1, runKey: 1, cancelRequestedAt: 1 } }).toArray(),
    'beat',
  );
  const byId = new Map(found.map(job => [job._id.toHexString(), job]));
  return Promise.all(
    runs.map(async run => {
      const job = byId.get(run.id.toHexString());
      if (!job?.runKey?.equals(run.runKey)) return 'lost';
      if (job.status === 'pending') return (await resume(context, run)) ? 'ok' : 'lost';
      if (job.status !== 'processing') return 'lost';
      return job.cancelRequestedAt ? 'cancel-requested' : 'ok';
    }),
  );
}

/** A child has the job now: only from here on does a vanished worker count against an isolated run. */
export async function markIsolated(context: StoreContext, run: RunRef): Promise<void> {
  await context.bounded(
    context.jobs.updateOne(
      { _id: run.id, status: 'processing', runKey: run.runKey },
      { $currentDate: { isolatedAt: true } },
      { writeConcern: WRITE_CONCERNS.one! },
    ),
    'mark isolated',
  );
}

/** T4s: the sweeper gave this run up too early and nobody has claimed the job since. */
async function resume(context: StoreContext, run: RunRef): Promise<boolean> {
  const update = statusChange(context, {
    via: 'T4s',
    from: 'pending',
    to: 'processing',
    runKey: run.runKey,
    set: { owner: context.processId, leaseMs: context.lease.leaseMs },
    currentDate: ['beatAt'],
  });
  const result = await context.bounded(
    context.jobs.updateOne({ _id: run.id, status: 'pending', runKey: run.runKey }, update, {
      writeConcern: WRITE_CONCERNS.one!,
    }),
    'resume',
  );
  return result.modifiedCount === 1;
}
