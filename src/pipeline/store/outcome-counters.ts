import { GroupCommit } from '../../platform/group-commit.ts';
import type { JobStatus } from './job-document.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

export interface CounterDocument {
  /** `<yyyy-mm-dd>:<tenant>` */
  _id: string;
  day: string;
  tenant: string;
  completed?: number;
  failed?: number;
  cancelled?: number;
}

const COUNTED: ReadonlySet<JobStatus> = new Set(['completed', 'failed', 'cancelled']);

/**
 * Totals of finished jobs a day and tenant, so that nobody counts history. Monotonic, and exact but for one group after a
 * lost reply or a crash; they inform, nothing depends on them.
 */
export class OutcomeCounters {
  readonly #context: StoreContext;
  readonly #group: GroupCommit<{ tenant: string; status: JobStatus }, void>;

  constructor(context: StoreContext, onError: (error: unknown) => void) {
    this.#context = context;
    this.#group = new GroupCommit({
      maxGroup: 1_000,
      write: async entries => {
        await this.#write(entries).catch(onError);
        return entries.map(() => undefined);
      },
    });
  }

  /** Counts one job that reached a terminal status; written soon, together with others. */
  count(tenant: string, status: JobStatus): void {
    if (COUNTED.has(status)) void this.#group.submit({ tenant, status });
  }

  idle(): Promise<void> {
    return this.#group.idle();
  }

  async #write(entries: readonly { tenant: string; status: JobStatus }[]): Promise<void> {
    const day = this.#context.clock.now().toISOString().slice(0, 10);
    const sums = new Map<string, Partial<Record<JobStatus, number>>>();
    for (const { tenant, status } of entries) {
      const sum = sums.get(tenant) ?? {};
      sum[status] = (sum[status] ?? 0) + 1;
      sums.set(tenant, sum);
    }
    const operations = [...sums].map(([tenant, sum]) => ({
      updateOne: {
        filter: { _id: `${day}:${tenant}` },
        update: { $inc: sum, $setOnInsert: { day, tenant } },
        upsert: true,
      },
    }));
    const counters = this.#context.db.collection<CounterDocument>('counters');
    await this.#context.bounded(
      counters.bulkWrite(operations, { ordered: false, writeConcern: WRITE_CONCERNS.one! }),
      'counting outcomes',
    );
  }
}
