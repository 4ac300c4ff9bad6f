import { GroupCommit } from '../../platform/group-commit.ts';
import type { JobEvents } from '../record/job-events.ts';
import type { JobDocument } from '../store/job-document.ts';
import { newRunKey, openStartGate, type Ticket } from '../store/start-gate.ts';
import type { StoreContext } from '../store/store-context.ts';

const GROUP_LIMIT = 200;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

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
        let isSecondLook = false;
        for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
          try {
            const askedAt = performance.now();
            const passed = await openStartGate(context, tickets, runKey);
            // A process that was stopped meanwhile may hold an answer from before its leases ran out: it asks once more.
            if (isSecondLook || performance.now() - askedAt < context.lease.leaseMs) return passed;
            isSecondLook = true;
          } catch (error) {
            events.emit('fault', { component: 'start-gate', error });
            await new Promise(resolve => setTimeout(resolve, pauseMs));
          }
        }
      },
    });
  }

  /** The job when this ticket won its run, null when it was stale. */
  pass(ticket: Ticket): Promise<JobDocument | null> {
    return this.#group.submit(ticket);
  }
}
