import type { mongo } from 'mongoose';
import { JobBatchRepository } from '../../../src/pipeline/store/job-batch-repository.ts';
import { migrate } from '../../../src/pipeline/store/migrate.ts';
import { createStoreContext } from '../../../src/pipeline/store/store-context.ts';
import { connectLedger } from '../../../src/platform/mongo.ts';
import { testConfig } from '../../../test/helpers/config.ts';
import { monotonicMs } from '../monotonic.ts';

const INSERTED_AT_ONCE = 2_000;
const DEADLINE_MS = 20_000;
/** Longest time for one backlog: what is left then is won by nobody. */
const LIMIT_MS = 120_000;

/** What claimers came to on one backlog. */
export interface Claiming {
  /** Jobs, counted as long as the backlog was deep enough for all of them. */
  asked: number;
  won: number;
  /** Jobs a second of all of them together. */
  perSecond: number;
  /** Jobs that two of them believed to have won, and jobs that none did. */
  wonTwice: number;
  lost: number;
}

/**
 * So many claimers, each on connections of its own, empty a fresh backlog: one batch after the other and all at once, as
 * processes would whose windows are never full. `uri` names a database that nobody uses.
 */
export async function claimBacklog(
  uri: string,
  size: { claimers: number; batch: number; backlog: number },
): Promise<Claiming> {
  const { lease, retention } = testConfig({ mongo: { uri }, redis: { port: 1 } });
  const ledgers = await Promise.all(
    Array.from({ length: size.claimers }, () => connectLedger({ uri, appName: 'chaos', deadlineMs: DEADLINE_MS })),
  );
  try {
    const contexts = ledgers.map((ledger, index) =>
      createStoreContext({ ledger, processId: `chaos:${index}:claimer`, lease, retention, deadlineMs: DEADLINE_MS }),
    );
    const [first] = contexts;
    await migrate(first!);
    await insertBacklog(first!.db, size.backlog);
    const tally = new Tally(size);
    await Promise.all(contexts.map(context => tally.count(new JobBatchRepository(context, () => undefined))));
    return tally.result();
  } finally {
    await Promise.all(ledgers.map(ledger => ledger.close()));
  }
}

class Tally {
  readonly #size: { claimers: number; batch: number; backlog: number };
  readonly #startedAt = monotonicMs();
  readonly #seen = new Set<string>();
  #asked = 0;
  #won = 0;
  #wonTwice = 0;
  #endedAt = this.#startedAt;

  constructor(size: { claimers: number; batch: number; backlog: number }) {
    this.#size = size;
  }

  /** Claims until nothing is left. */
  async count(repository: JobBatchRepository): Promise<void> {
    const { claimers, batch, backlog } = this.#size;
    while (this.#seen.size < backlog && monotonicMs() - this.#startedAt < LIMIT_MS) {
      const isDeep = backlog - this.#seen.size >= 2 * claimers * batch;
      const jobs = await repository.loadNextBatch('default', batch);
      if (isDeep) {
        this.#asked += batch;
        this.#won += jobs.length;
      }
      for (const { id } of jobs) {
        if (this.#seen.has(id.toHexString())) this.#wonTwice += 1;
        this.#seen.add(id.toHexString());
      }
      this.#endedAt = monotonicMs();
    }
  }

  result(): Claiming {
    return {
      asked: this.#asked,
      won: this.#won,
      perSecond: (this.#seen.size * 1_000) / (this.#endedAt - this.#startedAt),
      wonTwice: this.#wonTwice,
      lost: this.#size.backlog - this.#seen.size,
    };
  }
}

async function insertBacklog(db: mongo.Db, backlog: number): Promise<void> {
  const jobs = db.collection('jobs');
  for (let inserted = 0; inserted < backlog; inserted += INSERTED_AT_ONCE) {
    const runAt = new Date();
    const count = Math.min(INSERTED_AT_ONCE, backlog - inserted);
    await jobs.insertMany(
      Array.from({ length: count }, (_, index) => ({
        type: 'chaos:work',
        queue: 'default',
        status: 'pending',
        runAt,
        priority: 5,
        tenant: 'default',
        payload: { index: inserted + index },
      })),
    );
  }
}
