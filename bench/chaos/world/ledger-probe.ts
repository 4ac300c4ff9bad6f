import { calculateObjectSize } from 'bson';
import { mongo } from 'mongoose';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import type { JobPlan } from '../job/job-plan.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { LedgerJob } from '../oracle/evidence.ts';
import { pendingJob } from './job-documents.ts';

const LARGEST_DOCUMENT_BYTES = 16 * 2 ** 20;
/** Enough for the history and the errors of a few runs. */
const ROOM_BYTES = 20_000;

const PRIMARY_MS = 60_000;

/** Reads the ledger beside the system, on a connection of its own. */
export class LedgerProbe {
  readonly #client: mongo.MongoClient;
  readonly #jobs: mongo.Collection<JobDocument>;

  private constructor(client: mongo.MongoClient, jobs: mongo.Collection<JobDocument>) {
    this.#client = client;
    this.#jobs = jobs;
  }

  /** `uri` with the database in it. */
  static async connect(uri: string): Promise<LedgerProbe> {
    const client = new mongo.MongoClient(uri, { appName: 'ledgermq-chaos', serverSelectionTimeoutMS: 5_000 });
    await client.connect();
    return new LedgerProbe(client, client.db().collection<JobDocument>('jobs'));
  }

  /** Jobs that are not terminal, counted in the indexes that hold nothing else. */
  async countOpen(): Promise<number> {
    const beating = { beatAt: { $exists: true } };
    const counts = await Promise.all([
      this.#jobs.countDocuments({ status: 'pending' }, { hint: 'claim' }),
      this.#jobs.countDocuments({ status: 'queued', ...beating }, { hint: 'lease' }),
      this.#jobs.countDocuments({ status: 'processing', ...beating }, { hint: 'lease' }),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async readAll(): Promise<LedgerJob[]> {
    const projection = { 'payload.key': 1, status: 1, runKey: 1, runSeq: 1, runs: 1, failures: 1, crashes: 1 };
    const limits = { maxRetries: 1, timeoutMs: 1, history: 1, historySeq: 1 };
    const found = await this.#jobs.find({}, { projection: { ...projection, ...limits } }).toArray();
    const sinceEpochMs = Date.now() - monotonicMs();
    return found.map(job => toLedgerJob(job, sinceEpochMs));
  }

  /** A command for administrators, on the primary. */
  command(command: mongo.Document): Promise<mongo.Document> {
    return this.#client.db('admin').command(command);
  }

  /** Resolves when there is a primary that answers. @throws the last error after a minute. */
  async primaryAnswers(): Promise<void> {
    const end = monotonicMs() + PRIMARY_MS;
    for (;;) {
      try {
        await this.command({ ping: 1 });
        return;
      } catch (error) {
        if (monotonicMs() > end) throw error;
        await pause(100);
      }
    }
  }

  /** Inserts the job as a client library would, so large that its whole life fits into the document, and no result. */
  async insertFull(plan: JobPlan): Promise<string> {
    const { payload, priority, delayMs, maxRetries, retry, timeoutMs } = plan;
    const runAt = new Date(Date.now() + delayMs);
    const job = pendingJob({ payload, priority, runAt, maxRetries, retry, timeoutMs, metadata: { filler: '' } });
    const free = LARGEST_DOCUMENT_BYTES - calculateObjectSize(job) - ROOM_BYTES;
    await this.#jobs.insertOne({ ...job, metadata: { filler: 'x'.repeat(free) } });
    return job._id.toHexString();
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

/** `sinceEpochMs`: what the monotonic clock lags behind the wall clock. */
function toLedgerJob(job: JobDocument, sinceEpochMs: number): LedgerJob {
  const { payload } = job;
  const key = typeof payload === 'object' && payload !== null && 'key' in payload ? payload.key : null;
  return {
    id: job._id.toHexString(),
    key: typeof key === 'string' ? key : null,
    status: job.status,
    runKey: job.runKey?.toHexString() ?? null,
    runSeq: job.runSeq,
    runs: job.runs,
    failures: job.failures,
    crashes: job.crashes,
    maxRetries: job.maxRetries,
    timeoutMs: job.timeoutMs,
    historySeq: job.historySeq ?? 0,
    history: (job.history ?? []).map(({ via, from, to, by, runKey, reason, at }) => ({
      via,
      from,
      to,
      by,
      runKey: runKey?.toHexString() ?? null,
      reason: reason ?? null,
      at: at.getTime() - sinceEpochMs,
    })),
  };
}
