import type { mongo } from 'mongoose';
import { StorageUnavailableError } from '../../platform/errors.ts';
import type { JobDocument } from './job-document.ts';
import { duplicateKeyOf, storageCall } from './storage-call.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

export type BulkInsertResult =
  /** In the order of the input; a replayed entry is the first job of its key. */
  | { status: 'stored'; entries: { replayed: boolean; job: JobDocument }[] }
  /** Nothing was stored: these positions carry keys of jobs that were made from other bodies. */
  | { status: 'conflict'; positions: number[] };

const ROUNDS = 3;

/**
 * T0 for many: all or nothing, one transaction. Jobs of one call with the same idempotency key count as replays of the
 * first of them.
 * @throws StorageUnavailableError when the outcome is unknown.
 */
export function insertJobs(context: StoreContext, jobs: readonly JobDocument[]): Promise<BulkInsertResult> {
  return storageCall(context, 'submit', async () => {
    const firsts = new FirstJobs(jobs);
    for (let round = 0; round < ROUNDS; round += 1) {
      if (firsts.conflicts.length > 0) return { status: 'conflict', positions: firsts.conflicts };
      if (await insertAll(context, firsts.missing())) {
        await countHits(context, firsts);
        return { status: 'stored', entries: firsts.entries() };
      }
      await firsts.look(context);
    }
    throw new StorageUnavailableError('the idempotency keys changed hands at every try');
  });
}

/** Which job stands for each entry of a call: itself, an earlier entry, or one that the ledger already had. */
class FirstJobs {
  readonly #jobs: readonly JobDocument[];
  /** First job of each key: in this call, until the ledger is found to have an earlier one. */
  readonly #byKey = new Map<string, JobDocument>();
  readonly #inLedger = new Set<string>();

  constructor(jobs: readonly JobDocument[]) {
    this.#jobs = jobs;
    this.#useOwn();
  }

  get conflicts(): number[] {
    return [...this.#jobs.keys()].filter(index => {
      const { idempotency } = this.#jobs[index]!;
      return idempotency && this.#first(index).idempotency?.fingerprint !== idempotency.fingerprint;
    });
  }

  missing(): JobDocument[] {
    return this.#jobs.filter(
      (job, index) => this.#first(index) === job && !this.#inLedger.has(job.idempotency?.key ?? ''),
    );
  }

  entries(): { replayed: boolean; job: JobDocument }[] {
    return this.#jobs.map((job, index) => ({ replayed: this.#first(index) !== job, job: this.#first(index) }));
  }

  /** Keys of the ledger's jobs that this call replays. */
  keysInLedger(): string[] {
    return [...this.#inLedger];
  }

  get tenant(): string {
    return this.#jobs[0]!.tenant;
  }

  /** Asks the ledger for the jobs that already have one of the keys. */
  async look({ jobs }: StoreContext): Promise<void> {
    this.#inLedger.clear();
    this.#useOwn();
    const known = await jobs
      .find({ tenant: this.tenant, 'idempotency.key': { $in: [...this.#byKey.keys()] } })
      .toArray();
    for (const job of known) {
      this.#byKey.set(job.idempotency!.key, job);
      this.#inLedger.add(job.idempotency!.key);
    }
  }

  #useOwn(): void {
    this.#byKey.clear();
    for (const job of this.#jobs) {
      if (job.idempotency && !this.#byKey.has(job.idempotency.key)) this.#byKey.set(job.idempotency.key, job);
    }
  }

  #first(index: number): JobDocument {
    const job = this.#jobs[index]!;
    return job.idempotency ? this.#byKey.get(job.idempotency.key)! : job;
  }
}

/**
 * False when an idempotency key is taken; nothing is stored then. The duplicate is thrown out of the callback: caught inside,
 * the driver would commit what the server has already ended, and try again without end.
 */
async function insertAll(context: StoreContext, jobs: JobDocument[]): Promise<boolean> {
  if (jobs.length === 0) return true;
  const session = context.client.startSession();
  const giveUpAt = performance.now() + context.deadlineMs;
  try {
    await session.withTransaction(
      async () => {
        // The driver repeats transient errors for two minutes; nobody waits that long.
        if (performance.now() > giveUpAt) throw new StorageUnavailableError('the transaction met others at every try');
        await context.jobs.insertMany(jobs, { session });
      },
      {
        readConcern: { level: 'local' },
        writeConcern: WRITE_CONCERNS['majority-journaled'],
      } as mongo.TransactionOptions,
    );
    return true;
  } catch (error) {
    const key = duplicateKeyOf(error);
    if (key === null) throw error;
    return key === '_id';
  } finally {
    await session.endSession();
  }
}

/** The majority write also confirms the first jobs themselves. */
async function countHits({ jobs }: StoreContext, firsts: FirstJobs): Promise<void> {
  const keys = firsts.keysInLedger();
  if (keys.length === 0) return;
  await jobs.updateMany(
    { tenant: firsts.tenant, 'idempotency.key': { $in: keys } },
    { $inc: { 'idempotency.hits': 1 } },
    { writeConcern: WRITE_CONCERNS.majority! },
  );
}
