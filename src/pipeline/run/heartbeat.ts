import type { LeaseConfig } from '../../config/config.ts';
import { PollLoop } from '../../platform/poll-loop.ts';
import type { Service } from '../../platform/service.ts';
import type { JobEvents } from '../record/job-events.ts';
import { beat } from '../store/run-leases.ts';
import { writeNotes } from '../store/run-notes.ts';
import type { StoreContext } from '../store/store-context.ts';
import { type ActiveRuns, takeNotes } from './active-runs.ts';

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
    const { beatMs } = this.#lease;
    if (runs.length === 0) return beatMs;
    const startedAt = performance.now();
    const results = await beat(
      this.#context,
      runs.map(run => run.ref),
    );
    for (const [index, run] of runs.entries()) {
      if (results[index] === 'lost') run.execution.abort('lost');
      else if (results[index] === 'cancel-requested') run.execution.abort('cancelled');
    }
    // From start to start: a slow ledger must not stretch the beats towards the lease.
    return Math.max(beatMs / 4, beatMs - (performance.now() - startedAt));
  }

  async #writeNotes(): Promise<number> {
    const entries = this.#runs.all().flatMap(run => {
      const notes = takeNotes(run);
      return notes ? [{ ...run.ref, notes }] : [];
    });
    if (entries.length > 0) await writeNotes(this.#context, entries);
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
