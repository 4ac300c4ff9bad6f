import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import type { JobDocument } from '../../src/pipeline/store/job-document.ts';
import { type TestEnvironment, type TestServers, testEnv } from './config.ts';
import { type NodeProcess, spawnNode } from './processes.ts';
import { waitFor } from './wait-for.ts';

export interface AuditLine {
  event: 'start' | 'ok' | 'fail';
  jobId: string;
  type: string;
  attempt: number;
  runKey: string;
  pid: number;
  /** Wall clock, ms. */
  at: number;
}

/** Processes of test/entries/stories.ts on servers of the caller's, and a look into the ledger from outside. */
export class Stories {
  readonly servers: TestServers;
  readonly db: mongo.Db;
  readonly auditFile = join(tmpdir(), `ledgermq-audit-${process.pid}-${randomBytes(4).toString('hex')}.ndjson`);

  constructor(servers: TestServers, db: mongo.Db) {
    this.servers = servers;
    this.db = db;
  }

  get jobs(): mongo.Collection<JobDocument> {
    return this.db.collection<JobDocument>('jobs');
  }

  async startWorker(overrides: TestEnvironment = {}, execArgv: readonly string[] = []): Promise<NodeProcess> {
    const worker = await this.#start({ WORKER_MODE: 'true', ...overrides }, execArgv);
    await worker.waitForLine(line => line.log.msg === 'worker started', undefined, { what: 'the worker to start' });
    return worker;
  }

  /** Answers the process and the base URL of its API. */
  async startApi(overrides: TestEnvironment = {}): Promise<{ process: NodeProcess; url: string }> {
    const api = await this.#start(overrides, []);
    const line = await api.waitForLine(({ log }) => typeof log.url === 'string', undefined, {
      what: 'the API to start',
    });
    return { process: api, url: String(line.log.url) };
  }

  /** Inserts as any other program may: only what the document's contract asks for, and what is given. */
  async insert(type: string, payload: object, over: Partial<JobDocument> = {}): Promise<mongo.ObjectId> {
    const [id] = await this.insertMany(type, [payload], over);
    return id!;
  }

  async insertMany(
    type: string,
    payloads: readonly object[],
    over: Partial<JobDocument> = {},
  ): Promise<mongo.ObjectId[]> {
    const documents = payloads.map(payload => ({
      _id: new mongo.ObjectId(),
      type,
      queue: 'default',
      status: 'pending' as const,
      runAt: new Date(),
      priority: 5,
      tenant: 'default',
      payload,
      ...over,
    }));
    await this.jobs.insertMany(documents as JobDocument[]);
    return documents.map(document => document._id);
  }

  /** The job once it has one of these statuses. */
  async reach(
    id: mongo.ObjectId,
    status: JobDocument['status'] | 'terminal',
    timeoutMs = 30_000,
  ): Promise<JobDocument> {
    const wanted = status === 'terminal' ? ['completed', 'failed', 'cancelled'] : [status];
    return waitFor(
      async () => {
        const job = await this.jobs.findOne({ _id: id });
        if (job && wanted.includes(job.status)) return job;
        throw new Error(JSON.stringify(job));
      },
      { what: `job ${id.toHexString()} to be ${status}`, timeoutMs, intervalMs: 25 },
    );
  }

  /** All of these jobs, once they are terminal. */
  async reachAll(ids: readonly mongo.ObjectId[], timeoutMs = 60_000): Promise<JobDocument[]> {
    const wanted = {
      _id: { $in: [...ids] },
      status: { $in: ['completed', 'failed', 'cancelled'] as JobDocument['status'][] },
    };
    await waitFor(async () => (await this.jobs.countDocuments(wanted)) === ids.length, {
      what: `${ids.length} jobs to be terminal`,
      timeoutMs,
      intervalMs: 50,
    });
    return this.jobs.find({ _id: { $in: [...ids] } }).toArray();
  }

  audit(id?: mongo.ObjectId): AuditLine[] {
    if (!existsSync(this.auditFile)) return [];
    const lines = readFileSync(this.auditFile, 'utf8').trim().split('\n').filter(Boolean);
    return lines.map(line => JSON.parse(line) as AuditLine).filter(line => !id || line.jobId === id.toHexString());
  }

  #start(overrides: TestEnvironment, execArgv: readonly string[]): Promise<NodeProcess> {
    const env = { ...testEnv(this.servers, overrides), AUDIT_FILE: this.auditFile };
    return spawnNode('test/entries/stories.js', { env, execArgv });
  }
}
