import { beforeAll, describe, expect, it } from 'vitest';
import type { JobDocument, JobStatus } from '../../../src/pipeline/store/job-document.ts';
import { cancelJob, deleteJob, redriveJob } from '../../../src/pipeline/store/job-operations.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { newJobDocument } from '../../helpers/job-document.ts';
import { useStore } from '../../helpers/store.ts';
import { withRaces } from './with-races.ts';

let context: StoreContext;

beforeAll(async () => {
  ({ context } = await useStore());
});

async function insert(over: Partial<JobDocument>): Promise<{ job: JobDocument; id: string }> {
  const job = newJobDocument(over);
  await context.jobs.insertOne(job);
  return { job, id: job._id.toHexString() };
}

const move = (job: JobDocument, status: JobStatus) =>
  context.jobs.updateOne({ _id: job._id }, { $set: { status, beatAt: new Date(), leaseMs: 3_600_000 } });

describe('cancel while the job moves on', () => {
  it('follows it from pending over queued to the run', async () => {
    const { job, id } = await insert({ status: 'pending' });
    const path: JobStatus[] = ['queued', 'processing'];
    const racing = withRaces(context, attempt => (path[attempt - 1] ? move(job, path[attempt - 1]!) : null));
    expect(await cancelJob(racing, id, 'default')).toMatchObject({ status: 'requested' });
    expect(await context.jobs.findOne({ _id: job._id })).toMatchObject({
      status: 'processing',
      cancelRequestedAt: expect.any(Date),
    });
  });

  it('meets it again in the next round when it went back', async () => {
    const { job, id } = await insert({ status: 'queued' });
    const racing = withRaces(context, attempt => (attempt === 2 ? move(job, 'pending') : null));
    expect(await cancelJob(racing, id, 'default')).toMatchObject({ status: 'cancelled' });
  });

  it('gives up after three rounds, having changed nothing', async () => {
    const { job, id } = await insert({ status: 'processing' });
    let attempts = 0;
    const elsewhere: JobStatus[] = ['queued', 'pending', 'queued'];
    const racing = withRaces(context, attempt => {
      attempts = attempt;
      return move(job, elsewhere[(attempt - 1) % 3]!);
    });
    expect(await cancelJob(racing, id, 'default')).toEqual({ status: 'invalid-state', currentStatus: 'queued' });
    expect(attempts).toBe(9);
    expect((await context.jobs.findOne({ _id: job._id }))?.history).toHaveLength(1);
  });

  it('does not touch a later life than the one it read', async () => {
    const { job, id } = await insert({ status: 'pending', runSeq: 1 });
    const racing = withRaces(context, attempt =>
      attempt === 1 ? context.jobs.updateOne({ _id: job._id }, { $set: { runSeq: 2 } }) : null,
    );
    expect(await cancelJob(racing, id, 'default')).toMatchObject({ status: 'cancelled', job: { runSeq: 2 } });
    expect((await context.jobs.findOne({ _id: job._id }))?.history?.at(-1)).toMatchObject({ via: 'U1', runSeq: 2 });
  });
});

describe('retry while somebody else retries', () => {
  it('starts from the life that it finds then', async () => {
    const { job, id } = await insert({ status: 'failed', runSeq: 1 });
    const racing = withRaces(context, attempt =>
      attempt === 1 ? context.jobs.updateOne({ _id: job._id }, { $set: { status: 'cancelled', runSeq: 2 } }) : null,
    );
    expect(await redriveJob(racing, id, 'default')).toMatchObject({ status: 'redriven', job: { runSeq: 3 } });
  });

  it('is refused when the other one was faster', async () => {
    const { job, id } = await insert({ status: 'failed', runSeq: 1 });
    const racing = withRaces(context, () =>
      context.jobs.updateOne({ _id: job._id }, { $set: { status: 'pending', runSeq: 2 } }),
    );
    expect(await redriveJob(racing, id, 'default')).toEqual({ status: 'invalid-state', currentStatus: 'pending' });
  });
});

describe('delete while the job runs', () => {
  it('is no question of deliveries: the job is looked at again when its run has ended meanwhile', async () => {
    const { job, id } = await insert({ status: 'queued' });
    const racing = withRaces(
      context,
      attempt => (attempt === 1 ? move(job, 'processing') : null),
      () => move(job, 'completed'),
    );
    expect(await deleteJob(racing, id, 'default', false)).toMatchObject({ status: 'deleted' });
    expect(await context.jobs.findOne({ _id: job._id })).toBeNull();
  });

  it('is refused while a delivery is due, unless forced', async () => {
    const delivery = { deliveries: [{ state: 'due' }] };
    const { id } = await insert({ status: 'completed', ...delivery });
    expect(await deleteJob(context, id, 'default', false)).toEqual({ status: 'delivery-due' });
    expect(await deleteJob(context, id, 'default', true)).toMatchObject({ status: 'deleted' });
  });
});
