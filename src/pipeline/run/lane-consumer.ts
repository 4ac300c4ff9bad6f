import { type Job, UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { withDeadline } from '../../platform/deadline.ts';
import type { Service } from '../../platform/service.ts';
import { parseObjectId } from '../store/bson.ts';
import type { Ticket } from '../store/start-gate.ts';
import type { RunReport } from './job-run.ts';

const CLOSE_DEADLINE_MS = 2_000;

/** What a delivery led to: nothing (stale, put back), or a run. */
export type Delivery = { status: 'stale' | 'returned' } | ({ status: 'ran' } & RunReport);

export interface LaneConsumerOptions {
  lane: string;
  queueName: string;
  prefix: string;
  concurrency: number;
  /** Opens a `worker` connection. */
  openRedis: () => Redis;
  deliver: (lane: string, ticket: Ticket, jobName: string) => Promise<Delivery>;
  onError: (error: Error) => void;
}

/** The BullMQ consumer of one lane. The engine only dispatches: retries, delays, priorities and stalls are the ledger's. */
export class LaneConsumer implements Service {
  readonly #options: LaneConsumerOptions;
  #worker: Worker | null = null;
  #redis: Redis | null = null;

  constructor(options: LaneConsumerOptions) {
    this.#options = options;
  }

  get lane(): string {
    return this.#options.lane;
  }

  async start(): Promise<void> {
    if (this.#worker) return;
    const { queueName, prefix, concurrency, openRedis, onError } = this.#options;
    this.#redis = openRedis();
    // Three parameters, or BullMQ passes no signal; a lost lock aborts nothing, so it is not used.
    const worker = new Worker(queueName, (job, _token, _signal) => this.#process(job), {
      connection: this.#redis,
      prefix,
      autorun: false,
      concurrency,
      lockDuration: 10_000,
      stalledInterval: 5_000,
      // The ledger counts crashes; BullMQ's own limit would fail a job without running it.
      maxStalledCount: 1e9,
      drainDelay: 5,
      removeOnComplete: { count: 500 },
      removeOnFail: { count: 1_000 },
      skipVersionCheck: true,
    });
    worker.on('error', onError);
    worker.run().catch(onError);
    this.#worker = worker;
  }

  /** Takes no more work; running jobs go on. */
  async pause(): Promise<void> {
    await this.#worker?.pause(true).catch(() => undefined);
  }

  /** Waits for running jobs at most 2 s, and not at all without Redis: `worker.close()` hangs then. */
  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    if (worker && this.#redis?.status === 'ready') {
      await withDeadline(worker.close(), CLOSE_DEADLINE_MS, 'closing the consumer').catch(() => undefined);
    }
    await worker?.close(true).catch(() => undefined);
    this.#redis?.disconnect();
    this.#redis = null;
  }

  async #process(job: Job): Promise<{ status: string }> {
    const ticket = readTicket(job.data);
    // Not ours: whoever put it there, the ledger knows nothing of it.
    if (!ticket) return { status: 'ignored' };
    const delivery = await this.#options.deliver(this.#options.lane, ticket, job.name);
    if (delivery.status !== 'ran') return { status: delivery.status };
    const { recorded, outcome } = delivery;
    if (recorded.status === 'lost') return { status: 'lost' };
    const failed = recorded.as === 'failed' || recorded.via === 'T6' || recorded.via === 'T10';
    if (!failed) return { status: recorded.as };
    // Recorded in the ledger; thrown so that the board shows the run as failed.
    const error = outcome && 'error' in outcome ? outcome.error : undefined;
    throw new UnrecoverableError(`${error?.name ?? 'failed'}: ${(error?.message ?? '').slice(0, 200)}`);
  }
}

function readTicket(data: unknown): Ticket | null {
  if (typeof data !== 'object' || data === null || !('id' in data) || !('token' in data)) return null;
  const id = parseObjectId(data.id);
  const token = parseObjectId(data.token);
  return id && token ? { id, token } : null;
}
