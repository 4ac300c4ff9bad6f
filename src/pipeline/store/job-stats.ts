import type { mongo } from 'mongoose';
import type { JobDocument } from './job-document.ts';
import type { TenantView } from './job-queries.ts';
import type { CounterDocument } from './outcome-counters.ts';
import { storageCall } from './storage-call.ts';
import type { StoreContext } from './store-context.ts';

/** `pending` includes claimed jobs; `completed` and `failed` are totals since the ledger began. */
export interface JobCounts {
  pending: number;
  processing: number;
  completed: number;
  failed: number;
}

const CACHE_MS = 1_000;

/**
 * Counts of jobs by status. What is open is counted in the partial indexes, which hold nothing else; what has ended comes
 * from counters, never from history. An answer is shared by all callers for a second.
 */
export class JobStats {
  readonly #context: StoreContext;
  readonly #cache = new Map<TenantView, { until: number; counts: Promise<JobCounts> }>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** `tenant` null counts all. @throws StorageUnavailableError */
  counts(tenant: TenantView): Promise<JobCounts> {
    const now = performance.now();
    const cached = this.#cache.get(tenant);
    if (cached && cached.until > now) return cached.counts;
    const counts = this.#count(tenant);
    const entry = { until: now + CACHE_MS, counts };
    this.#cache.set(tenant, entry);
    counts.catch(() => {
      if (this.#cache.get(tenant) === entry) this.#cache.delete(tenant);
    });
    return counts;
  }

  #count(tenant: TenantView): Promise<JobCounts> {
    const own = tenant === null ? {} : { tenant };
    return storageCall(this.#context, 'count jobs', async () => {
      const [waiting, queued, processing, totals] = await Promise.all([
        this.#countIn('claim', { status: 'pending', ...own }),
        this.#countIn('lease', { status: 'queued', beatAt: { $exists: true }, ...own }),
        this.#countIn('lease', { status: 'processing', beatAt: { $exists: true }, ...own }),
        this.#totals(own),
      ]);
      return { pending: waiting + queued, processing, ...totals };
    });
  }

  #countIn(hint: string, filter: mongo.Filter<JobDocument>): Promise<number> {
    return this.#context.jobs.countDocuments(filter, { hint });
  }

  async #totals(own: { tenant?: string }): Promise<Pick<JobCounts, 'completed' | 'failed'>> {
    const counters = this.#context.db.collection<CounterDocument>('counters');
    const [sums] = await counters
      .aggregate<{ completed: number; failed: number }>([
        { $match: own },
        { $group: { _id: null, completed: { $sum: '$completed' }, failed: { $sum: '$failed' } } },
      ])
      .toArray();
    return { completed: sums?.completed ?? 0, failed: sums?.failed ?? 0 };
  }
}
