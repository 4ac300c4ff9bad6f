import type { mongo } from 'mongoose';
import { beforeEach } from 'vitest';
import { type BadDocument, JobBatchRepository } from '../../../src/pipeline/store/job-batch-repository.ts';
import type { ClaimedJob, JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { type ExpiredLease, lookAtLeases, markSuspect } from '../../../src/pipeline/store/recovery-store.ts';
import { type Outcome, outcomeWrite, type RunEnd, writeOutcomes } from '../../../src/pipeline/store/run-outcomes.ts';
import { newRunKey, openStartGate } from '../../../src/pipeline/store/start-gate.ts';
import { newJobDocument } from '../../helpers/job-document.ts';
import { useStore } from '../../helpers/store.ts';

export const error = { name: 'Error', message: 'no', attempt: 1, retryable: true, at: new Date() };

/** A ledger of its own, empty before each test, and the steps that bring a job to where a test begins. */
export async function useJobs() {
  const store = await useStore();
  const { context } = store;
  /** The same ledger, seen by another process. */
  const other = store.as('host:2:other');
  const bad: BadDocument[] = [];
  const repository = new JobBatchRepository(context, document => bad.push(document));

  beforeEach(async () => {
    await context.jobs.deleteMany({});
  });

  async function insert(over: Partial<JobDocument> = {}): Promise<JobDocument> {
    const job = newJobDocument(over);
    await context.jobs.insertOne(job);
    return job;
  }

  const read = async (id: mongo.ObjectId): Promise<JobDocument> => (await context.jobs.findOne({ _id: id }))!;

  async function claimOne(): Promise<ClaimedJob> {
    const [claimed] = await repository.loadNextBatch('default', 1);
    return claimed!;
  }

  /** Inserts, claims and starts one job. */
  async function start(over: Partial<JobDocument> = {}): Promise<JobDocument> {
    await insert(over);
    const [job] = await openStartGate(context, [await claimOne()], newRunKey());
    return job!;
  }

  /** How many documents the end of the run changed: 1, or 0 when it came to nothing. */
  async function end(job: JobDocument, outcome: Outcome, by = context): Promise<number> {
    const run = { id: job._id, runKey: job.runKey!, tenant: job.tenant, runSeq: job.runSeq };
    const runEnd: RunEnd = { run, outcome };
    return writeOutcomes(by, [outcomeWrite(by, runEnd)], false);
  }

  const lookAt = async (id: mongo.ObjectId): Promise<ExpiredLease> =>
    (await lookAtLeases(context, 0)).expired.find(job => job._id.equals(id))!;

  /** Makes a lease look old, as if its holder had said nothing for a minute. */
  async function age(id: mongo.ObjectId): Promise<ExpiredLease> {
    await context.jobs.updateOne({ _id: id }, { $set: { beatAt: new Date(Date.now() - 60_000) } });
    return lookAt(id);
  }

  async function suspect(id: mongo.ObjectId): Promise<ExpiredLease> {
    await markSuspect(other, await age(id));
    return lookAt(id);
  }

  return { context, other, bad, repository, insert, read, claimOne, start, end, age, suspect };
}
