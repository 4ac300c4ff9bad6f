import type { JobDocument, JobLogLine, RunRef } from '../store/job-document.ts';
import type { RunNotes } from '../store/run-notes.ts';
import type { Execution } from './execute.ts';

/** A run that this process holds: from the gate until its outcome is recorded. */
export interface ActiveRun {
  job: JobDocument;
  ref: RunRef;
  attempt: number;
  isolated: boolean;
  execution: Execution;
  /** Written to the ledger now and then. */
  notes: { progress: unknown; logs: JobLogLine[] };
}

/** The runs of this process; what the heartbeat keeps alive and the drain asks to stop. */
export class ActiveRuns {
  readonly #runs = new Map<string, ActiveRun>();

  get size(): number {
    return this.#runs.size;
  }

  all(): ActiveRun[] {
    return [...this.#runs.values()];
  }

  add(run: ActiveRun): void {
    this.#runs.set(run.ref.runKey.toHexString() + run.ref.id.toHexString(), run);
  }

  remove(run: ActiveRun): void {
    this.#runs.delete(run.ref.runKey.toHexString() + run.ref.id.toHexString());
  }
}

/** What the handler reported since the last time, once; undefined when it said nothing. */
export function takeNotes(run: ActiveRun): RunNotes | undefined {
  const { progress, logs } = run.notes;
  if (progress === undefined && logs.length === 0) return undefined;
  // The same object: the handler's sink writes into it.
  Object.assign(run.notes, { progress: undefined, logs: [] });
  return { progress, logs };
}
