import type { mongo } from 'mongoose';
import type { LedgerConnection } from '../../platform/mongo.ts';
import type { QueueCounts, QueueManager } from '../queue/queue-manager.ts';
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

type ConnectionState = 'connected' | 'disconnected';

/** The shape of `getStats()` and of `GET /v1/stats`. */
export interface Stats {
  /** null in the API. */
  worker: {
    config: { mode: string; queue: string; batchSize: number; concurrency: number; intervalMs: number };
    isRunning: boolean;
    batchLoading: boolean;
  } | null;
  jobs: JobCounts;
  /** What Redis holds, all lanes together; zeros while it is disconnected. */
  queue: QueueCounts;
  connections: { mongo: ConnectionState; redis: ConnectionState };
}

const CACHE_MS = 1_000;
const NOTHING: QueueCounts = { waiting: 0, active: 0, completed: 0, failed: 0 };

/**
 * Counts of jobs by status. What is open is counted in the partial indexes, which hold nothing else; what has ended comes
 * from counters, never from history. An answer is shared by all callers for a second.
 */
export class JobStats {
  readonly #context: StoreContext;
  readonly #queueManager: QueueManager;
  readonly #ledger: LedgerConnection;
  readonly #cache = new Map<TenantView, { until: number; stats: Promise<Omit<Stats, 'worker'>> }>();

  constructor(options: { context: StoreContext; queueManager: QueueManager; ledger: LedgerConnection }) {
    this.#context = options.context;
    this.#queueManager = options.queueManager;
    this.#ledger = options.ledger;
  }

  /** Jobs of one tenant, or (`null`) of all; the engine's numbers are always those of all. @throws StorageUnavailableError */
  read(tenant: TenantView = null): Promise<Omit<Stats, 'worker'>> {
    const now = performance.now();
    const cached = this.#cache.get(tenant);
    if (cached && cached.until > now) return cached.stats;
    const entry = { until: now + CACHE_MS, stats: this.#read(tenant) };
    this.#cache.set(tenant, entry);
    entry.stats.catch(() => {
      if (this.#cache.get(tenant) === entry) this.#cache.delete(tenant);
    });
    return entry.stats;
  }

  async #read(tenant: TenantView): Promise<Omit<Stats, 'worker'>> {
    const [jobs, queue] = await Promise.all([this.#count(tenant), this.#engine()]);
    const connections = {
      mongo: this.#ledger.isConnected() ? 'connected' : 'disconnected',
      redis: queue ? 'connected' : 'disconnected',
    } as const;
    return { jobs, queue: queue ?? NOTHING, connections };
  }

  async #engine(): Promise<QueueCounts | null> {
    if (this.#queueManager.isAway()) return null;
    return this.#queueManager.counts().catch(() => null);
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
