import type { mongo } from 'mongoose';
import { JobBatchRepository } from '../../../src/pipeline/store/job-batch-repository.ts';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { migrate } from '../../../src/pipeline/store/migrate.ts';
import { createStoreContext, type StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { connectLedger, type LedgerConnection } from '../../../src/platform/mongo.ts';
import { testConfig } from '../../../test/helpers/config.ts';
import { type OwnMongo, startOwnMongo, withDatabase } from '../../../test/helpers/mongo.ts';
import { finishedJob, waitingJob } from './job-documents.ts';

const LANE = 'default';
const CHUNK = 1_000;

/** A server of its own, with a ledger that is full of finished jobs, and the product's own claim on it. */
export class FinishedLedger {
  readonly kind: 'mongod' | 'embedded';
  readonly #server: OwnMongo;
  readonly #ledger: LedgerConnection;
  readonly #context: StoreContext;
  readonly #repository: JobBatchRepository;
  readonly #version: string;

  private constructor(server: OwnMongo, ledger: LedgerConnection, context: StoreContext, info: mongo.Document) {
    this.#server = server;
    this.#ledger = ledger;
    this.#context = context;
    this.#version = String(info.version);
    this.kind = Array.isArray(info.modules) && info.modules.includes('embedded') ? 'embedded' : 'mongod';
    this.#repository = new JobBatchRepository(context, ({ error }) => {
      throw error;
    });
  }

  static async start(): Promise<FinishedLedger> {
    const server = await startOwnMongo();
    const uri = withDatabase(server.uri, 'chaos');
    const { lease, retention, mongo: limits } = testConfig({ mongo: { uri }, redis: { port: 1 } });
    const ledger = await connectLedger({ uri, appName: 'ledgermq-chaos', deadlineMs: limits.deadlineMs });
    const context = createStoreContext({ ledger, processId: 'chaos:0:claims', lease, retention, ...limits });
    await migrate(context);
    return new FinishedLedger(server, ledger, context, await ledger.db.admin().serverInfo());
  }

  describe(): string {
    return `MongoDB ${this.#version} (${this.kind === 'embedded' ? 'embedded ledger server' : 'mongod'})`;
  }

  async fill({ finished, pending, signal }: { finished: number; pending: number; signal: AbortSignal }): Promise<void> {
    await this.#insert(finished, finishedJob, signal);
    await this.#insert(pending, waitingJob, signal);
  }

  /** Claims one batch; answers how long it took, in milliseconds. */
  async claim(limit: number): Promise<number> {
    const startedAt = performance.now();
    const claimed = await this.#repository.loadNextBatch(LANE, limit);
    const ms = performance.now() - startedAt;
    if (claimed.length !== limit) throw new Error(`${claimed.length} of ${limit} jobs were claimed`);
    return ms;
  }

  async stop(): Promise<void> {
    await this.#ledger.close();
    await this.#server.stop();
  }

  async #insert(count: number, make: (index: number) => JobDocument, signal: AbortSignal): Promise<void> {
    for (let done = 0; done < count; done += CHUNK) {
      signal.throwIfAborted();
      const chunk = Array.from({ length: Math.min(CHUNK, count - done) }, (_, index) => make(done + index));
      await this.#context.jobs.insertMany(chunk, { ordered: false, writeConcern: { w: 1 } });
    }
  }
}
