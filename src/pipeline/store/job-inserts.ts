import { StorageUnavailableError } from '../../platform/errors.ts';
import type { JobDocument } from './job-document.ts';
import { duplicateKeyOf, storageCall } from './storage-call.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

export type InsertResult =
  | { status: 'inserted' }
  /** The idempotency key belongs to `job`, which was made from the same body. */
  | { status: 'replayed'; job: JobDocument }
  /** The idempotency key belongs to a job that was made from another body. */
  | { status: 'conflict' };

const ROUNDS = 3;

/**
 * T0: stores one job; answers only after a majority has it in its journal.
 * @throws StorageUnavailableError when the outcome is unknown: the job may be there, and will then run.
 */
export function insertJob(context: StoreContext, job: JobDocument): Promise<InsertResult> {
  return storageCall(context, 'submit', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      if (await insertOnce(context, job)) return { status: 'inserted' };
      const first = await claimReplay(context, job);
      if (first) return first;
      // Deleted between the two commands: the key is free again.
    }
    throw new StorageUnavailableError('the idempotency key changed hands at every try');
  });
}

/** False when the idempotency key is taken. Meeting its own _id means that an earlier, unanswered try of this insert worked. */
async function insertOnce({ jobs }: StoreContext, job: JobDocument): Promise<boolean> {
  try {
    await jobs.insertOne(job, { writeConcern: WRITE_CONCERNS['majority-journaled']! });
    return true;
  } catch (error) {
    const key = duplicateKeyOf(error);
    if (key === null) throw error;
    return key === '_id';
  }
}

/** The write makes a majority confirm the first job before it is answered: one that is rolled back later never is. */
async function claimReplay({ jobs }: StoreContext, job: JobDocument): Promise<InsertResult | null> {
  const { key, fingerprint } = job.idempotency!;
  const first = await jobs.findOneAndUpdate(
    { tenant: job.tenant, 'idempotency.key': key },
    { $inc: { 'idempotency.hits': 1 } },
    { returnDocument: 'after', writeConcern: WRITE_CONCERNS.majority! },
  );
  if (!first) return null;
  return first.idempotency?.fingerprint === fingerprint ? { status: 'replayed', job: first } : { status: 'conflict' };
}
