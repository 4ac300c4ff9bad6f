import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { withDeadline } from '../../platform/deadline.ts';
import type { Service } from '../../platform/service.ts';
import { parseObjectId } from '../store/bson.ts';
import type { ClaimedJob } from '../store/job-document.ts';
import type { Ticket } from '../store/start-gate.ts';

export interface QueueCounts {
  waiting: number;
  active: number;
  completed: number;
  failed: number;
}

/** What the engine says of a claimed job. `active` has a live lock; `gone` is anything that will not lead to a run. */
export type EnginePlace = 'waiting' | 'active' | 'gone';

const REDIS_DEADLINE_MS = 3_000;

/**
 * The only owner of BullMQ queues. Everything in them is disposable: the ledger knows better, and a Redis that is away makes
 * every call here fail within its deadline and nothing else.
 */
export class QueueManager implements Service {
  readonly #queues = new Map<string, Queue>();
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #queueName: string;
  readonly #lanes: readonly string[];
  readonly #onError: (error: Error) => void;

  constructor(options: {
    /** A `producer` connection. */
    redis: Redis;
    prefix: string;
    queueName: string;
    lanes: readonly string[];
    onError: (error: Error) => void;
  }) {
    this.#redis = options.redis;
    this.#prefix = options.prefix;
    this.#queueName = options.queueName;
    this.#lanes = options.lanes;
    this.#onError = options.onError;
  }

  get lanes(): readonly string[] {
    return this.#lanes;
  }

  async start(): Promise<void> {
    for (const lane of this.#lanes) this.queue(lane);
  }

  async stop(): Promise<void> {
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    await Promise.allSettled(queues.map(queue => withDeadline(queue.close(), REDIS_DEADLINE_MS, 'queue close')));
  }

  /** BullMQ's name of a lane: QUEUE_NAME for `default`, else `<QUEUE_NAME>-<lane>`. */
  nameOf(lane: string): string {
    return lane === 'default' ? this.#queueName : `${this.#queueName}-${lane}`;
  }

  /** The BullMQ queue of a lane; for the board only. */
  queue(lane: string): Queue {
    let queue = this.#queues.get(lane);
    if (!queue) {
      queue = new Queue(this.nameOf(lane), {
        connection: this.#redis,
        prefix: this.#prefix,
        skipWaitingForReady: true,
        skipVersionCheck: true,
        skipMetasUpdate: true,
      });
      queue.on('error', error => this.#onError(error));
      this.#queues.set(lane, queue);
    }
    return queue;
  }

  /** Adds one claimed job. @throws when Redis did not take it for certain; the outcome is then unknown. */
  async addJob(lane: string, job: ClaimedJob): Promise<void> {
    await this.addJobs(lane, [job]);
  }

  /**
   * Adds claimed jobs as `{id, token}`. The engine's id is `<id>-<token>`: never used twice, because BullMQ silently ignores
   * an id that Redis still holds in any state.
   * @throws when Redis did not take all of them for certain; the outcome is then unknown (addBulk is a pipeline, no transaction).
   */
  async addJobs(lane: string, jobs: readonly ClaimedJob[]): Promise<void> {
    const entries = jobs.map(({ id, type, version, token }) => ({
      name: version === 1 ? type : `${type}@${version}`,
      data: { id: id.toHexString(), token: token.toHexString() },
      opts: { jobId: engineId({ id, token }), attempts: 1 },
    }));
    await withDeadline(this.queue(lane).addBulk(entries), REDIS_DEADLINE_MS, 'adding jobs to Redis');
  }

  /** Whether a command sent now would certainly not reach Redis. */
  isAway(): boolean {
    return this.#redis.status !== 'ready';
  }

  /** Jobs of a lane that wait in Redis. */
  async waitingCount(lane: string): Promise<number> {
    return withDeadline(this.queue(lane).getWaitingCount(), REDIS_DEADLINE_MS, 'counting in Redis');
  }

  /**
   * The tickets of jobs that a lane holds, `from` to `to` as Redis lists them; null stands for an entry that is none of ours.
   * The list moves while it is read page by page.
   */
  async tickets(lane: string, place: 'waiting' | 'active', from: number, to: number): Promise<(Ticket | null)[]> {
    const ids = await withDeadline(
      this.queue(lane).getRanges([place], from, to),
      REDIS_DEADLINE_MS,
      'listing in Redis',
    );
    return ids.map(id => {
      const [, job, token] = ENGINE_ID.exec(id) ?? [];
      return job && token ? { id: parseObjectId(job)!, token: parseObjectId(token)! } : null;
    });
  }

  /** Jobs of one lane that Redis holds and that have not ended there. */
  async openCounts(lane: string): Promise<{ waiting: number; active: number }> {
    const counting = this.queue(lane).getJobCounts('waiting', 'active');
    const { waiting = 0, active = 0 } = await withDeadline(counting, REDIS_DEADLINE_MS, 'counting in Redis');
    return { waiting, active };
  }

  /** Counts of all lanes together. */
  async counts(): Promise<QueueCounts> {
    const all = await Promise.all(
      this.#lanes.map(lane =>
        withDeadline(
          this.queue(lane).getJobCounts('waiting', 'active', 'completed', 'failed'),
          REDIS_DEADLINE_MS,
          'counting in Redis',
        ),
      ),
    );
    const sum = (key: keyof QueueCounts): number => all.reduce((total, counts) => total + (counts[key] ?? 0), 0);
    return { waiting: sum('waiting'), active: sum('active'), completed: sum('completed'), failed: sum('failed') };
  }

  /** Where the engine has a claimed job. @throws when Redis is away: then nothing is known. */
  async placeOf(lane: string, job: Ticket): Promise<EnginePlace> {
    const id = engineId(job);
    const state = await withDeadline(this.queue(lane).getJobState(id), REDIS_DEADLINE_MS, 'asking Redis for a job');
    if (state === 'waiting' || state === 'prioritized' || state === 'delayed') return 'waiting';
    if (state !== 'active') return 'gone';
    const lock = `${this.#prefix}:${this.nameOf(lane)}:${id}:lock`;
    return (await this.#redis.exists(lock)) === 1 ? 'active' : 'gone';
  }

  async ping(): Promise<boolean> {
    if (this.isAway()) return false;
    return this.#redis.ping().then(
      () => true,
      () => false,
    );
  }
}

const ENGINE_ID = /^([0-9a-f]{24})-([0-9a-f]{24})$/;

function engineId(job: Ticket): string {
  return `${job.id.toHexString()}-${job.token.toHexString()}`;
}
