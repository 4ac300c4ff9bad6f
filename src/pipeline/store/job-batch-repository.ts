import { mongo } from 'mongoose';
import { ClaimSpread } from './claim-spread.ts';
import type { ClaimedJob, JobDocument } from './job-document.ts';
import { statusChange } from './status-change.ts';
import { isDocumentFault } from './storage-call.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

const { ObjectId } = mongo;

/** A document that cannot be claimed (a foreign insert whose fields have wrong types, say) is left alone this long. */
const BAD_DOCUMENT_REST_MS = 60_000;
const BAD_DOCUMENTS_KEPT = 200;

export interface BadDocument {
  id: mongo.ObjectId;
  error: unknown;
}

/** The claim side of the ledger: T1, T2 and T3u. Every change is one conditional write; who loses a race gets less, not an error. */
export class JobBatchRepository {
  readonly #context: StoreContext;
  readonly #onBadDocument: (bad: BadDocument) => void;
  readonly #resting = new Map<string, { id: mongo.ObjectId; until: number }>();
  readonly #spreads = new Map<string, ClaimSpread>();

  constructor(context: StoreContext, onBadDocument: (bad: BadDocument) => void) {
    this.#context = context;
    this.#onBadDocument = onBadDocument;
  }

  /**
   * T1: claims up to `limit` due jobs of a lane, most important first. Empty when nothing is due or another loader was faster;
   * after a race that was lost the next claim may begin some batches further on, where the others are not.
   * @throws when MongoDB fails; what was claimed unseen then goes back by S1.
   */
  async loadNextBatch(queue: string, limit: number): Promise<ClaimedJob[]> {
    const now = this.#context.clock.now();
    const spread = this.#spreadOf(queue);
    const skip = spread.batchesToSkip() * limit;
    let due = await this.#findDue(queue, { now, limit, skip });
    if (due.length < limit && skip > 0) {
      // The backlog ends here: there is no room to keep out of each other's way.
      spread.reset();
      due = await this.#findDue(queue, { now, limit, skip: 0 });
    }
    if (due.length === 0) return [];
    const token = new ObjectId();
    const ids = due.map(job => job._id);
    const claimed = due.map(job => ({ id: job._id, type: job.type, version: job.version ?? 1, token }));
    const modified = await this.#claim(ids, now, token);
    if (modified >= 0) spread.learn(ids.length, modified);
    if (modified === ids.length) return claimed;
    if (modified === 0) return [];
    const won = await this.#context.bounded(
      this.#context.jobs.find({ _id: { $in: ids }, token }, { projection: { _id: 1 } }).toArray(),
      'claim',
    );
    const wonIds = new Set(won.map(job => job._id.toHexString()));
    return claimed.filter(job => wonIds.has(job.id.toHexString()));
  }

  /** The next time at which a pending job of the lane is due, or null when none is pending. */
  async nextDue(queue: string): Promise<Date | null> {
    const { jobs, bounded } = this.#context;
    const [next] = await bounded(
      jobs
        .find({ queue, status: 'pending' }, { projection: { runAt: 1 }, sort: { runAt: 1 }, limit: 1, hint: 'due' })
        .toArray(),
      'next due job',
    );
    return next?.runAt ?? null;
  }

  /** T2: gives claimed jobs back that the engine certainly did not take. */
  async giveBack(jobs: readonly ClaimedJob[]): Promise<void> {
    const token = jobs[0]?.token;
    if (!token) return;
    const update = statusChange(this.#context, { via: 'T2', from: 'queued', to: 'pending', dropLease: true });
    await this.#context.bounded(
      this.#context.jobs.updateMany({ _id: { $in: jobs.map(job => job.id) }, status: 'queued', token }, update, {
        writeConcern: WRITE_CONCERNS.one!,
      }),
      'give back',
    );
  }

  /** T3u: puts a claimed job back before its gate. `delayMs` null leaves runAt as it was. */
  async unstart(job: Pick<ClaimedJob, 'id' | 'token'>, delayMs: number | null, reason: string): Promise<void> {
    const { clock } = this.#context;
    const update = statusChange(this.#context, {
      via: 'T3u',
      from: 'queued',
      to: 'pending',
      reason,
      dropLease: true,
      ...(delayMs === null ? {} : { set: { runAt: new Date(clock.now().getTime() + delayMs) } }),
    });
    await this.#context.bounded(
      this.#context.jobs.updateOne({ _id: job.id, status: 'queued', token: job.token }, update, {
        writeConcern: WRITE_CONCERNS.one!,
      }),
      'unstart',
    );
  }

  /** The driver does not repeat updateMany: an outage here throws, and S1 heals. Only a document's own fault is handled. */
  async #claim(ids: mongo.ObjectId[], now: Date, token: mongo.ObjectId): Promise<number> {
    const { jobs, lease, processId, bounded } = this.#context;
    const update = statusChange(this.#context, {
      via: 'T1',
      from: 'pending',
      to: 'queued',
      set: { token, owner: processId, leaseMs: lease.queuedLeaseMs, queuedRefreshes: 0 },
      currentDate: ['queuedAt', 'beatAt'],
      unset: ['runKey'],
    });
    const filter = (only: mongo.Filter<JobDocument>): mongo.Filter<JobDocument> => ({
      ...only,
      status: 'pending',
      runAt: { $lte: now },
    });
    const options = { writeConcern: WRITE_CONCERNS.one! };
    try {
      const result = await bounded(jobs.updateMany(filter({ _id: { $in: ids } }), update, options), 'claim');
      return result.modifiedCount;
    } catch (error) {
      if (!isDocumentFault(error)) throw error;
    }
    for (const id of ids) {
      try {
        await bounded(jobs.updateOne(filter({ _id: id }), update, options), 'claim');
      } catch (error) {
        if (!isDocumentFault(error)) throw error;
        this.#rest(id);
        this.#onBadDocument({ id, error });
      }
    }
    return -1;
  }

  #findDue(queue: string, page: { now: Date; limit: number; skip: number }) {
    const { jobs, bounded } = this.#context;
    const { now, limit, skip } = page;
    return bounded(
      jobs
        .find(
          { status: 'pending', queue, runAt: { $lte: now }, ...this.#exceptResting() },
          {
            projection: { _id: 1, type: 1, version: 1 },
            sort: { priority: -1, runAt: 1, _id: 1 },
            skip,
            limit,
            hint: 'claim',
          },
        )
        .toArray(),
      'claim',
    );
  }

  #spreadOf(queue: string): ClaimSpread {
    let spread = this.#spreads.get(queue);
    if (!spread) {
      spread = new ClaimSpread();
      this.#spreads.set(queue, spread);
    }
    return spread;
  }

  #rest(id: mongo.ObjectId): void {
    this.#resting.set(id.toHexString(), { id, until: performance.now() + BAD_DOCUMENT_REST_MS });
    const oldest = this.#resting.keys().next().value;
    if (this.#resting.size > BAD_DOCUMENTS_KEPT && oldest) this.#resting.delete(oldest);
  }

  #exceptResting(): mongo.Filter<JobDocument> {
    if (this.#resting.size === 0) return {};
    const now = performance.now();
    for (const [key, { until }] of this.#resting) if (until <= now) this.#resting.delete(key);
    return { _id: { $nin: [...this.#resting.values()].map(entry => entry.id) } };
  }
}
