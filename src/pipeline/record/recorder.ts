import { messageOf } from '../../platform/errors.ts';
import { GroupCommit } from '../../platform/group-commit.ts';
import { untilWritten } from '../../platform/until-written.ts';
import type { JobError } from '../store/job-document.ts';
import type { OutcomeCounters } from '../store/outcome-counters.ts';
import {
  findRuns,
  type Outcome,
  outcomeWrite,
  type Recorded,
  type RunEnd,
  settle,
  writeOutcomes,
} from '../store/run-outcomes.ts';
import { isDocumentFault } from '../store/storage-call.ts';
import type { StoreContext } from '../store/store-context.ts';
import type { JobEvents } from './job-events.ts';

const GROUP_LIMIT = 200;

type Run = RunEnd['run'];

/**
 * Writes outcomes back, in groups. A failed write repeats the write, never the job: `record` resolves only when the ledger
 * holds the outcome or the run is known to be lost, however long MongoDB is away.
 */
export class Recorder {
  readonly #context: StoreContext;
  readonly #counters: OutcomeCounters;
  readonly #events: JobEvents;
  readonly #finish: GroupCommit<RunEnd, Recorded>;
  readonly #handBack: GroupCommit<RunEnd, Recorded>;

  constructor(options: { context: StoreContext; counters: OutcomeCounters; events: JobEvents }) {
    this.#context = options.context;
    this.#counters = options.counters;
    this.#events = options.events;
    this.#finish = new GroupCommit({ maxGroup: GROUP_LIMIT, write: ends => this.#writeGroup(ends, false) });
    this.#handBack = new GroupCommit({ maxGroup: GROUP_LIMIT, write: ends => this.#writeGroup(ends, true) });
  }

  markJobAsCompleted(run: Run, result: unknown): Promise<Recorded> {
    return this.record({ run, outcome: { kind: 'completed', result } });
  }

  /** `retryInMs` null: no attempt is left, or none may follow. */
  markJobAsFailed(run: Run, error: JobError, retryInMs: number | null): Promise<Recorded> {
    const outcome: Outcome =
      retryInMs === null ? { kind: 'failed', error } : { kind: 'retry', error, delayMs: retryInMs };
    return this.record({ run, outcome });
  }

  async record(end: RunEnd): Promise<Recorded> {
    const group = end.outcome.kind === 'handed-back' ? this.#handBack : this.#finish;
    const recorded = await group.submit(end);
    if (recorded.status === 'recorded') this.#counters.count(end.run.tenant, recorded.as);
    return recorded;
  }

  async idle(): Promise<void> {
    await Promise.all([this.#finish.idle(), this.#handBack.idle()]);
  }

  async #writeGroup(ends: readonly RunEnd[], urgent: boolean): Promise<Recorded[]> {
    const settled = new Map<RunEnd, Recorded>();
    let open = ends.map(end => ({ original: end, current: end }));
    const fault = (error: unknown) => this.#events.emit('fault', { component: 'recorder', error });
    while (open.length > 0) {
      const group = open;
      const current = group.map(entry => entry.current);
      const results = await untilWritten(() => this.#writeOnce(current, urgent), fault);
      open = [];
      for (const [index, entry] of group.entries()) {
        const result = results[index]!;
        if (result.status === 'again') open.push({ ...entry, current: { ...entry.current, outcome: result.outcome } });
        else settled.set(entry.original, result);
      }
    }
    return ends.map(end => settled.get(end)!);
  }

  /** One round: the group's write, and a look at each member that it did not find. @throws when MongoDB is away. */
  async #writeOnce(
    ends: readonly RunEnd[],
    urgent: boolean,
  ): Promise<(Recorded | { status: 'again'; outcome: Outcome })[]> {
    const writes = ends.map(end => outcomeWrite(this.#context, end));
    let matched: number;
    try {
      matched = await writeOutcomes(this.#context, writes, urgent);
    } catch (error) {
      if (!isDocumentFault(error)) throw error;
      if (ends.length === 1) return [this.#refused(ends[0]!, error)];
      // One member cannot be stored: each goes by itself, so that its neighbours are recorded.
      const singly: (Recorded | { status: 'again'; outcome: Outcome })[] = [];
      for (const end of ends) singly.push(...(await this.#writeOnce([end], urgent)));
      return singly;
    }
    if (matched === ends.length) {
      return writes.map(({ to, via }): Recorded => ({ status: 'recorded', as: to, via }));
    }
    const found = await findRuns(
      this.#context,
      ends.map(end => end.run.id),
    );
    return ends.map(end => settle(this.#context.processId, end, found.get(end.run.id.toHexString())));
  }

  #refused(end: RunEnd, error: unknown): Recorded | { status: 'again'; outcome: Outcome } {
    this.#events.emit('fault', { component: 'recorder', error });
    if (end.outcome.kind !== 'completed') return { status: 'lost' };
    const message = `the result cannot be stored: ${messageOf(error).slice(0, 500)}`;
    return { status: 'again', outcome: { kind: 'failed', error: this.#notStorable(message) } };
  }

  #notStorable(message: string): JobError {
    return { name: 'result-not-storable', message, attempt: 0, retryable: false, at: this.#context.clock.now() };
  }
}
