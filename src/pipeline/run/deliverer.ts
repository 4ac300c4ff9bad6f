import { findJob, type JobDefinition, type JobRegistry } from '../../jobs/define-job.ts';
import type { JobEvents } from '../record/job-events.ts';
import type { JobBatchRepository } from '../store/job-batch-repository.ts';
import type { Ticket } from '../store/start-gate.ts';
import type { JobRunner } from './job-run.ts';
import type { Delivery } from './lane-consumer.ts';
import type { Slots } from './slots.ts';
import type { StartGateGroup } from './start-gate-group.ts';

export interface DelivererOptions {
  registry: JobRegistry;
  slots: Slots;
  gate: StartGateGroup;
  runner: JobRunner;
  repository: JobBatchRepository;
  events: JobEvents;
  isPaused: (lane: string) => boolean;
  /** A run of this process begins. */
  onStart: () => void;
  /** A run of this process left its job pending. */
  onPending: () => void;
}

const PAUSED_DELAY_MS = 5_000;
const UNKNOWN_TYPE_DELAY_MS = 10_000;

/** What the engine hands out passes here: a slot, the checks before the gate, the gate, the run. */
export class Deliverer {
  readonly #options: DelivererOptions;
  #draining = false;
  #startsUntil = Number.POSITIVE_INFINITY;
  #underWay = 0;
  #waiting: (() => void)[] = [];

  constructor(options: DelivererOptions) {
    this.#options = options;
  }

  /** From now on what arrives goes back as it was. What is at the start gate already may begin until the deadline is over. */
  drain(deadlineMs: number): void {
    this.#draining = true;
    this.#startsUntil = performance.now() + deadlineMs;
  }

  /** Resolves when nothing is under way: not before the start gate, not at it, not running, and every outcome is recorded. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  async deliver(lane: string, ticket: Ticket, jobName: string): Promise<Delivery> {
    this.#underWay += 1;
    try {
      return await this.#deliver(lane, ticket, jobName);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  async #deliver(lane: string, ticket: Ticket, jobName: string): Promise<Delivery> {
    const { slots, gate, runner, events } = this.#options;
    await slots.acquire();
    try {
      const check = this.#check(lane, jobName);
      if ('reason' in check) return await this.#putBack(ticket, jobName, check);
      const job = await gate.pass(ticket);
      if (!job) {
        events.emit('stale', { jobId: ticket.id.toHexString(), type: jobName });
        return { status: 'stale' };
      }
      if (job.cancelRequestedAt) return { status: 'ran', ...(await runner.endUnstarted(job)) };
      if (performance.now() > this.#startsUntil) return { status: 'ran', ...(await runner.handBackUnstarted(job)) };
      this.#options.onStart();
      const report = await runner.run(job, check.definition);
      if (report.recorded.status === 'recorded' && report.recorded.as === 'pending') this.#options.onPending();
      return { status: 'ran', ...report };
    } finally {
      slots.release();
    }
  }

  #check(lane: string, jobName: string): { definition: JobDefinition } | { reason: string; delayMs: number | null } {
    if (this.#draining) return { reason: 'draining', delayMs: null };
    if (this.#options.isPaused(lane)) return { reason: 'lane paused', delayMs: PAUSED_DELAY_MS };
    const [type = '', version = '1'] = jobName.split('@');
    const definition = findJob(this.#options.registry, type);
    if (!definition) return { reason: 'type unknown here', delayMs: UNKNOWN_TYPE_DELAY_MS };
    if (Number(version) > definition.version) return { reason: 'version unknown here', delayMs: UNKNOWN_TYPE_DELAY_MS };
    return { definition };
  }

  /** T3u. When MongoDB does not take it, S1 heals. */
  async #putBack(ticket: Ticket, type: string, why: { reason: string; delayMs: number | null }): Promise<Delivery> {
    const { repository, events } = this.#options;
    try {
      await repository.unstart(ticket, why.delayMs, why.reason);
      events.emit('returned', { jobId: ticket.id.toHexString(), type, reason: why.reason });
    } catch (error) {
      events.emit('fault', { component: 'deliverer', error });
    }
    return { status: 'returned' };
  }
}
