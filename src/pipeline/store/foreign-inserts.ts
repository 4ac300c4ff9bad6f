import type { mongo } from 'mongoose';
import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';
import type { JobDocument } from './job-document.ts';
import { LeaderLease } from './leader-lease.ts';
import type { StoreContext } from './store-context.ts';

const ELECT_EVERY_MS = 30_000;
const LEASE_MS = 90_000;
/** A getMore of an idle stream waits this long. */
const AWAIT_MS = 20_000;

type Insert = mongo.ChangeStreamInsertDocument<Pick<JobDocument, 'queue'>>;

/**
 * Jobs that others insert (any language, any transaction; recognised by having no history) reach no loader by themselves:
 * one process of the fleet watches for them and wakes one. Missing an event costs the loader's interval, never a job.
 */
export class ForeignInserts implements Service {
  readonly #context: StoreContext;
  readonly #lease: LeaderLease;
  readonly #election: PollLoop;
  readonly #wake: (lane: string) => void;
  readonly #onError: (error: unknown) => void;
  #stream: mongo.ChangeStream<JobDocument, Insert> | null = null;

  constructor(options: { context: StoreContext; wake: (lane: string) => void; onError: (error: unknown) => void }) {
    this.#context = options.context;
    this.#wake = options.wake;
    this.#onError = options.onError;
    this.#lease = new LeaderLease(options.context, 'foreign-inserts', LEASE_MS);
    this.#election = new PollLoop({
      tick: () => this.#elect(),
      onError: options.onError,
      errorDelayMs: ELECT_EVERY_MS,
    });
  }

  start(): Promise<void> {
    return this.#election.start();
  }

  async stop(): Promise<void> {
    await this.#election.stop();
    await this.#close();
    await this.#lease.release().catch(() => undefined);
  }

  async #elect(): Promise<number> {
    if (!(await this.#lease.hold())) await this.#close();
    else if (!this.#stream) this.#watch();
    return ELECT_EVERY_MS;
  }

  #watch(): void {
    const stream = this.#context.jobs.watch<JobDocument, Insert>(
      [
        { $match: { operationType: 'insert', 'fullDocument.history': { $exists: false } } },
        { $project: { _id: 1, operationType: 1, 'fullDocument.queue': 1 } },
      ],
      { maxAwaitTimeMS: AWAIT_MS },
    );
    this.#stream = stream;
    stream.on('change', event => this.#wake(event.fullDocument?.queue ?? 'default'));
    stream.on('error', error => {
      this.#onError(error);
      if (this.#stream === stream) void this.#close();
    });
  }

  async #close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    await stream?.close().catch(() => undefined);
  }
}
