import type { LeaseConfig } from '../../config/config.ts';
import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';
import type { JobEvents } from '../record/job-events.ts';
import { beat, type RunNotes, writeNotes } from '../store/run-leases.ts';
import type { StoreContext } from '../store/store-context.ts';
import type { ActiveRun, ActiveRuns } from './active-runs.ts';

const LAG_PROBE_MS = 250;
const NOTES_MS = 500;

/**
 * T4: keeps the leases of running jobs alive, learns of lost runs and requested cancels, and carries progress and log lines
 * to the ledger. A process without runs sends nothing.
 */
export class Heartbeat implements Service {
  readonly #context: StoreContext;
  readonly #runs: ActiveRuns;
  readonly #events: JobEvents;
  readonly #lease: LeaseConfig;
  readonly #beats: PollLoop;
  readonly #noteWriter: PollLoop;
  #lagProbe: NodeJS.Timeout | null = null;

  constructor(options: { context: StoreContext; runs: ActiveRuns; events: JobEvents; lease: LeaseConfig }) {
    this.#context = options.context;
    this.#runs = options.runs;
    this.#events = options.events;
    this.#lease = options.lease;
    const onError = (error: unknown): void => void this.#events.emit('fault', { component: 'heartbeat', error });
    // After a failed beat the next one comes soon: the lease is running out.
    const errorDelayMs = Math.min(this.#lease.beatMs / 4, 500);
    this.#beats = new PollLoop({ tick: () => this.#beat(), onError, errorDelayMs });
    this.#noteWriter = new PollLoop({ tick: () => this.#writeNotes(), onError, errorDelayMs: 1_000 });
  }

  async start(): Promise<void> {
    await this.#beats.start();
    await this.#noteWriter.start();
    this.#lagProbe ??= this.#probeLag();
  }

  async stop(): Promise<void> {
    if (this.#lagProbe) clearInterval(this.#lagProbe);
    this.#lagProbe = null;
    await this.#beats.stop();
    await this.#noteWriter.stop();
  }

  async #beat(): Promise<number> {
    const runs = this.#runs.all();
    if (runs.length === 0) return this.#lease.beatMs;
    const results = await beat(
      this.#context,
      runs.map(run => run.ref),
    );
    for (const [index, run] of runs.entries()) {
      if (results[index] === 'lost') run.execution.abort('lost');
      else if (results[index] === 'cancel-requested') run.execution.abort('cancelled');
    }
    return this.#lease.beatMs;
  }

  /** What handlers reported since the last time, and once more before their outcome is recorded (`flush`). */
  async flush(run: ActiveRun): Promise<void> {
    const notes = takeNotes(run);
    if (notes) await writeNotes(this.#context, [notes]).catch(() => undefined);
  }

  async #writeNotes(): Promise<number> {
    const notes = this.#runs
      .all()
      .map(takeNotes)
      .filter(taken => taken !== null);
    if (notes.length > 0) await writeNotes(this.#context, notes);
    return NOTES_MS;
  }

  /** A handler that blocks the event loop longer than the lease is run again elsewhere: said before it comes to that. */
  #probeLag(): NodeJS.Timeout {
    let last = performance.now();
    return setInterval(() => {
      const now = performance.now();
      const lagMs = Math.round(now - last - LAG_PROBE_MS);
      last = now;
      if (lagMs < this.#lease.leaseMs / 3) return;
      this.#events.emit('lag', { lagMs, jobs: this.#runs.all().map(run => run.job.type) });
    }, LAG_PROBE_MS).unref();
  }
}

function takeNotes(run: ActiveRun): RunNotes | null {
  const { progress, logs } = run.notes;
  if (progress === undefined && logs.length === 0) return null;
  run.notes.progress = undefined;
  run.notes.logs = [];
  return { ...run.ref, progress, logs };
}
