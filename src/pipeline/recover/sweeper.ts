import type { LeaseConfig } from '../../config/config.ts';
import { messageOf } from '../../platform/errors.ts';
import type { LedgerConnection } from '../../platform/mongo.ts';
import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';
import type { QueueManager } from '../queue/queue-manager.ts';
import type { JobEvents } from '../record/job-events.ts';
import type { OutcomeCounters } from '../store/outcome-counters.ts';
import {
  type ExpiredLease,
  expireUnstarted,
  lookAtLeases,
  markSuspect,
  type QueuedUpdate,
  refreshQueued,
  releaseQueued,
  rescueRun,
  writeQueued,
} from '../store/recovery-store.ts';
import { isDocumentFault } from '../store/storage-call.ts';
import type { StoreContext } from '../store/store-context.ts';

export interface SweeperOptions {
  context: StoreContext;
  ledger: Pick<LedgerConnection, 'onInterruption' | 'isConnected'>;
  queueManager: QueueManager;
  counters: OutcomeCounters;
  events: JobEvents;
  lease: LeaseConfig;
  /** Jobs of this lane became pending. */
  wake: (lane: string) => void;
}

const EXPIRY_EVERY_MS = 10_000;
/** Between two looks at least. */
const SOON_MS = 50;

/** What this sweeper saw of a suspect run, and since when on its own monotonic clock. */
interface Observation {
  sign: string;
  since: number;
}

/**
 * Heals what a crash or a lost Redis left behind: S1, S2 and T11. Any number of sweepers run side by side; every write
 * matches exactly what was read, so a second one finds nothing.
 */
export class Sweeper implements Service {
  readonly #options: SweeperOptions;
  readonly #loop: PollLoop;
  #observations = new Map<string, Observation>();
  #connectedSince = performance.now();
  #lastExpiry = 0;
  #stopListening: (() => void) | null = null;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#loop = new PollLoop({
      tick: () => this.#tick(),
      onError: error => {
        // What was seen before an error proves nothing about what happened meanwhile.
        this.#startAfresh();
        options.events.emit('fault', { component: 'sweeper', error });
      },
      errorDelayMs: options.lease.sweepMs,
    });
  }

  async start(): Promise<void> {
    this.#startAfresh();
    this.#stopListening ??= this.#options.ledger.onInterruption(() => this.#startAfresh());
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#stopListening?.();
    this.#stopListening = null;
    await this.#loop.stop();
  }

  #startAfresh(): void {
    this.#observations.clear();
    this.#connectedSince = performance.now();
  }

  async #tick(): Promise<number> {
    const { context, lease } = this.#options;
    const { expired, nextEndMs } = await lookAtLeases(context, lease.sweepMs);
    await this.#sweepQueued(expired.filter(job => job.status === 'queued' && job.token));
    const lookAgainMs = await this.#sweepRunning(expired.filter(job => job.status === 'processing' && job.runKey));
    if (performance.now() - this.#lastExpiry >= EXPIRY_EVERY_MS) {
      this.#lastExpiry = performance.now();
      await this.#expire();
    }
    // A lease that ends before the next sweep is looked at when it ends.
    return Math.min(lease.sweepMs, Math.max(SOON_MS, Math.min(lookAgainMs, nextEndMs)));
  }

  /** S1. A Redis that cannot be asked decides nothing. */
  async #sweepQueued(jobs: readonly ExpiredLease[]): Promise<void> {
    const { context, queueManager, events, wake } = this.#options;
    if (jobs.length === 0 || queueManager.isAway()) return;
    const released = new Set<string>();
    const updates = await Promise.all(
      jobs.map(async job => {
        const place = await queueManager.placeOf(job.queue, { id: job._id, token: job.token! }).catch(() => null);
        if (place === null) return null;
        const refresh = place === 'gone' ? null : refreshQueued(job, place);
        if (refresh) return { job, update: refresh };
        released.add(job.queue);
        return { job, update: releaseQueued(context, job) };
      }),
    );
    const writes = updates.filter(update => update !== null);
    if (writes.length === 0) return;
    const count = await this.#writeQueued(writes);
    if (released.size > 0) events.emit('released', { count });
    for (const lane of released) wake(lane);
  }

  async #writeQueued(writes: readonly { job: ExpiredLease; update: QueuedUpdate }[]): Promise<number> {
    const { context } = this.#options;
    try {
      return await writeQueued(
        context,
        writes.map(({ update }) => update),
      );
    } catch (error) {
      if (!isDocumentFault(error)) throw error;
    }
    let count = 0;
    for (const { job, update } of writes) {
      await this.#exceptRefused(job, async () => {
        count += await writeQueued(context, [update]);
      });
    }
    return count;
  }

  /** A document that cannot take its write (it may be full) is told of and left: it must not keep the others from theirs. */
  async #exceptRefused(job: Pick<ExpiredLease, '_id'>, write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isDocumentFault(error)) throw error;
      this.#tellRefused(job._id, error);
    }
  }

  #tellRefused(id: ExpiredLease['_id'], error: unknown): void {
    const refused = new Error(`job ${id.toHexString()} cannot be changed: ${messageOf(error)}`, { cause: error });
    this.#options.events.emit('fault', { component: 'sweeper', error: refused });
  }

  /**
   * S2: suspect first, rescue only what this sweeper itself has seen unchanged for the whole grace. Answers when to look
   * again: what is suspected now has to be seen as such first, and what was seen is due when its grace is over; at the pace of
   * the sweeps alone each of them would cost up to a sweep more.
   */
  async #sweepRunning(jobs: readonly ExpiredLease[]): Promise<number> {
    const { context, lease } = this.#options;
    const seen = new Map<string, Observation>();
    const now = performance.now();
    let lookAgainMs = Number.POSITIVE_INFINITY;
    for (const job of jobs) {
      if (!job.suspectAt) {
        await this.#exceptRefused(job, () => markSuspect(context, job));
        lookAgainMs = 0;
        continue;
      }
      const id = job._id.toHexString();
      const sign = `${job.runKey!.toHexString()} ${job.beatAt.getTime()} ${job.suspectAt.getTime()}`;
      const before = this.#observations.get(id);
      const observation = before?.sign === sign ? before : { sign, since: now };
      const leftMs = Math.max(
        observation.since + lease.graceMs - now,
        this.#connectedSince + lease.leaseMs + lease.graceMs - now,
      );
      if (leftMs <= 0) {
        await this.#exceptRefused(job, () => this.#rescue(job));
        continue;
      }
      seen.set(id, observation);
      lookAgainMs = Math.min(lookAgainMs, leftMs);
    }
    // Errors clear the map while this round is under way; what it saw then does not count.
    if (now >= this.#connectedSince) this.#observations = seen;
    return lookAgainMs;
  }

  async #rescue(job: ExpiredLease): Promise<void> {
    const { context, counters, events, wake } = this.#options;
    const rescue = await rescueRun(context, job);
    if (!rescue) return;
    counters.count(job.tenant, rescue.to);
    events.emit('rescued', { jobId: job._id.toHexString(), type: job.type, owner: job.owner, ...rescue });
    if (rescue.to === 'pending') wake(job.queue);
  }

  async #expire(): Promise<void> {
    const tenants = await expireUnstarted(this.#options.context, (id, error) => this.#tellRefused(id, error));
    for (const tenant of tenants) this.#options.counters.count(tenant, 'failed');
    if (tenants.length > 0) this.#options.events.emit('expired', { count: tenants.length });
  }
}
