import { GroupCommit } from '../../platform/group-commit.ts';
import { untilWritten } from '../../platform/until-written.ts';
import type { JobEvents } from '../record/job-events.ts';
import type { JobDocument } from '../store/job-document.ts';
import { newRunKey, openStartGate, type Ticket } from '../store/start-gate.ts';
import type { StoreContext } from '../store/store-context.ts';

const GROUP_LIMIT = 200;

/**
 * Collects the tickets of a process's slots into group writes of the start gate. After a lost reply the same write goes out
 * again, with the same run key, until it is known who passed.
 */
export class StartGateGroup {
  readonly #group: GroupCommit<Ticket, JobDocument | null>;

  constructor(context: StoreContext, events: JobEvents) {
    this.#group = new GroupCommit({
      maxGroup: GROUP_LIMIT,
      write: async tickets => {
        const runKey = newRunKey();
        const ask = async () => {
          const askedAt = performance.now();
          const passed = await openStartGate(context, tickets, runKey);
          return { passed, tookMs: performance.now() - askedAt };
        };
        const fault = (error: unknown) => events.emit('fault', { component: 'start-gate', error });
        const { passed, tookMs } = await untilWritten(ask, fault);
        // A process that was stopped meanwhile may hold an answer from before its leases ran out: it asks once more.
        return tookMs < context.lease.leaseMs ? passed : (await untilWritten(ask, fault)).passed;
      },
    });
  }

  /** The job when this ticket won its run, null when it was stale. */
  pass(ticket: Ticket): Promise<JobDocument | null> {
    return this.#group.submit(ticket);
  }
}
