import type { Config } from '../../config/config.ts';
import type { JobDefinition } from '../../jobs/define-job.ts';
import type { JobServices } from '../../jobs/job-context.ts';
import type { RetryPolicy } from '../../platform/backoff.ts';
import type { JobEventBase, JobEvents } from '../record/job-events.ts';
import type { Recorder } from '../record/recorder.ts';
import type { JobDocument, RunRef } from '../store/job-document.ts';
import { ISOLATE_AFTER_CRASHES } from '../store/recovery-store.ts';
import { type Outcome, type Recorded, runOf } from '../store/run-outcomes.ts';
import { type ActiveRun, type ActiveRuns, takeNotes } from './active-runs.ts';
import { decideOutcome } from './decide-outcome.ts';
import { callHandler, supervise } from './execute.ts';
import { bufferNotes, createHandlerContext } from './handler-context.ts';
import { runIsolated } from './isolated-run.ts';
import { Slots } from './slots.ts';

export interface JobRunOptions {
  defaults: Config['jobDefaults'];
  poisonCrashes: number;
  childHeapMb: number;
  services: JobServices;
  runs: ActiveRuns;
  recorder: Recorder;
  events: JobEvents;
  /** Slots of this worker. */
  slots: number;
  /** Tells the ledger that a child has the job. */
  markIsolated: (run: RunRef) => Promise<void>;
  /** MongoDB's clock. */
  now: () => Date;
}

/** A handler gets this long to honour its signal before it is counted as one that does not. */
const ZOMBIE_PATIENCE_MS = 250;

/** How a run ended for the engine: what the processor returns or throws. */
export type RunReport = { recorded: Recorded; outcome: Outcome | null };

/** Starting a child costs about a second of a processor; more at once only makes each of them later. */
const CHILD_STARTS_AT_ONCE = 2;
/** A suspect waits for its child in a slot, for about a second each: most of the slots stay with everything else. */
const SHARE_WAITING_FOR_CHILD = 0.25;
const POSTPONE_MS = 1_500;

/** Lives through one run, from the open gate to the recorded outcome. */
export class JobRunner {
  readonly #options: JobRunOptions;
  readonly #childStarts = new Slots(CHILD_STARTS_AT_ONCE, () => undefined);
  /** Handlers whose run has ended and that have not stopped yet. */
  readonly #lingering = new Set<Promise<void>>();
  #zombies = 0;

  constructor(options: JobRunOptions) {
    this.#options = options;
  }

  /** Resolves when every handler whose run has ended has really stopped. */
  async stopped(): Promise<void> {
    await Promise.all(this.#lingering);
  }

  get #isCrowded(): boolean {
    const most = Math.max(1, Math.floor(this.#options.slots * SHARE_WAITING_FOR_CHILD));
    return this.#childStarts.free === 0 && this.#childStarts.waiting >= most;
  }

  /** `job` as the gate returned it. Resolves when the ledger holds the outcome. */
  async run(job: JobDocument, definition: JobDefinition): Promise<RunReport> {
    const { events, runs, recorder, now } = this.#options;
    if (isSuspect(job) && !definition.isolate && this.#isCrowded) return this.#postpone(job);
    const startedAt = performance.now();
    const run = this.#begin(job, definition);
    const about: JobEventBase = {
      jobId: job._id.toHexString(),
      type: job.type,
      queue: job.queue,
      attempt: run.attempt,
    };
    events.emit('started', { ...about, runs: job.runs, isolated: run.isolated });
    runs.add(run);
    try {
      if (job.cancelRequestedAt) run.execution.abort('cancelled');
      const end = await run.execution.ended;
      this.#watchZombie(run, about, end.kind === 'drained' ? 0 : ZOMBIE_PATIENCE_MS);
      const outcome = decideOutcome(end, this.#retryState(job, definition), now());
      const recorded: Recorded = outcome
        ? await recorder.record({ run: runOf(job, run.ref.runKey), outcome, notes: takeNotes(run) })
        : { status: 'lost' };
      const durationMs = Math.round(performance.now() - startedAt);
      if (recorded.status === 'lost') events.emit('lost', { ...about, durationMs });
      else events.emit('ended', { ...about, durationMs, status: recorded.as, via: recorded.via, ...describe(outcome) });
      return { recorded, outcome };
    } finally {
      runs.remove(run);
    }
  }

  /** A cancel that was requested before the gate: ended without a start of the handler (T8). */
  endUnstarted(job: JobDocument): Promise<RunReport> {
    return this.#endWithoutHandler(job, { kind: 'cancelled' });
  }

  /** A run that won its gate too late: its worker is about to end (T9). */
  handBackUnstarted(job: JobDocument): Promise<RunReport> {
    return this.#endWithoutHandler(job, { kind: 'handed-back', delayMs: 0 });
  }

  /**
   * A suspect whose child could not start soon goes back (T9): after crashes of whole workers there may be more of them than
   * slots, and in the slots they would keep everything else from running.
   */
  #postpone(job: JobDocument): Promise<RunReport> {
    return this.#endWithoutHandler(job, {
      kind: 'handed-back',
      delayMs: Math.round(POSTPONE_MS * (0.5 + Math.random())),
    });
  }

  /** What becomes of a run whose handler never began. */
  async #endWithoutHandler(job: JobDocument, outcome: Outcome): Promise<RunReport> {
    return { recorded: await this.#options.recorder.record({ run: runOf(job, job.runKey!), outcome }), outcome };
  }

  #begin(job: JobDocument, definition: JobDefinition): ActiveRun {
    const { services, childHeapMb, now } = this.#options;
    const signal = new AbortController();
    const { failures, maxRetries, timeoutMs } = this.#limits(job, definition);
    const attempt = failures + 1;
    const ref = { id: job._id, runKey: job.runKey! };
    const notes: ActiveRun['notes'] = { progress: undefined, logs: [] };
    const sink = bufferNotes(notes, attempt, now);
    const isolated = definition.isolate || isSuspect(job);
    const facts = { attempt, maxRetries, runKey: ref.runKey };
    if (isolated) {
      const { _id, type, tenant, payload } = job;
      const handler = runIsolated({
        job: { _id, type, tenant, payload, ...facts },
        signal: signal.signal,
        notes: sink,
        heapMb: childHeapMb,
        starts: this.#childStarts,
      });
      void handler.begun.then(() => this.#markIsolated(ref));
      const execution = supervise({ timeoutMs, signal, ...handler });
      return { job, ref, attempt, isolated, execution, notes };
    }
    const ctx = createHandlerContext({ job, ...facts, signal: signal.signal, services, notes: sink });
    const execution = supervise({ timeoutMs, signal, answer: callHandler(definition, job.payload, ctx) });
    return { job, ref, attempt, isolated, execution, notes };
  }

  async #markIsolated(ref: RunRef): Promise<void> {
    const { markIsolated, events } = this.#options;
    await markIsolated(ref).catch(error => events.emit('fault', { component: 'runner', error }));
  }

  /** A timed-out, lost or drained handler that ignores its signal is counted until it ends; its slot is free already. */
  #watchZombie(run: ActiveRun, about: JobEventBase, patienceMs: number): void {
    const { settled } = run.execution;
    let isZombie = false;
    const timer = setTimeout(() => {
      isZombie = true;
      this.#zombies += 1;
      this.#options.events.emit('zombie', { ...about, count: this.#zombies });
    }, patienceMs);
    this.#lingering.add(settled);
    void settled.then(() => {
      clearTimeout(timer);
      this.#lingering.delete(settled);
      if (isZombie) this.#zombies -= 1;
    });
  }

  /** Foreign inserts need not carry limits: the type's own, then the defaults, stand in. */
  #limits(
    job: JobDocument,
    definition: JobDefinition,
  ): { failures: number; maxRetries: number; timeoutMs: number; retry: RetryPolicy } {
    const { defaults } = this.#options;
    return {
      failures: job.failures ?? 0,
      maxRetries: job.maxRetries ?? definition.maxRetries ?? defaults.maxRetries,
      timeoutMs: job.timeoutMs ?? definition.timeoutMs ?? defaults.timeoutMs,
      retry: job.retry ?? definition.retry ?? defaults.retry,
    };
  }

  #retryState(job: JobDocument, definition: JobDefinition): Parameters<typeof decideOutcome>[1] {
    return { ...this.#limits(job, definition), crashes: job.crashes ?? 0, poisonCrashes: this.#options.poisonCrashes };
  }
}

/** Its workers vanished too often for chance: it may be what ends them. */
function isSuspect(job: JobDocument): boolean {
  return (job.crashes ?? 0) >= ISOLATE_AFTER_CRASHES;
}

function describe(outcome: Outcome | null): { error?: string; retryInMs?: number } {
  if (!outcome) return {};
  const error = 'error' in outcome ? outcome.error?.message.slice(0, 200) : undefined;
  const retryInMs = outcome.kind === 'retry' ? outcome.delayMs : undefined;
  return { ...(error === undefined ? {} : { error }), ...(retryInMs === undefined ? {} : { retryInMs }) };
}
