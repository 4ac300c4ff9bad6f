import { LedgerError, messageOf } from '../../platform/errors.ts';
import type { QueueManager } from '../queue/queue-manager.ts';
import { readFirstDue, readPausedLanes, readTokens } from '../store/ledger-reads.ts';
import type { Ticket } from '../store/start-gate.ts';
import type { StoreContext } from '../store/store-context.ts';
import type { LaneLook } from './lane-rules.ts';

/** What `verify` asks of the engine; it writes nothing there. */
export type EngineView = Pick<QueueManager, 'isAway' | 'placeOf' | 'tickets' | 'openCounts'>;

/** The engine could not be asked; of the ledger that says nothing. */
export class EngineAwayError extends LedgerError {
  constructor(cause: unknown) {
    super('engine-away', `Redis did not answer: ${messageOf(cause)}`, { cause });
    this.name = 'EngineAwayError';
  }
}

/** One question to the engine. @throws EngineAwayError */
export async function askEngine<T>(engine: EngineView, question: () => Promise<T>): Promise<T> {
  if (engine.isAway()) throw new EngineAwayError('there is no connection');
  return question().catch(error => {
    throw new EngineAwayError(error);
  });
}

/** One look at each of these lanes. @throws EngineAwayError, or what reading the ledger throws. */
export async function lookAtLanes(
  context: StoreContext,
  engine: EngineView,
  lanes: readonly string[],
): Promise<LaneLook[]> {
  const paused = await readPausedLanes(context);
  const looks: LaneLook[] = [];
  for (const lane of lanes) {
    const due = await readFirstDue(context, lane);
    const held = await askEngine(engine, () => engine.openCounts(lane));
    looks.push({ lane, isPaused: paused.has(lane), firstDue: due, ...held });
  }
  return looks;
}

const PAGE = 200;
/** Of each lane so many entries of either kind are looked at: many times the window of a fleet. */
const MOST_ENTRIES = 2_000;

/**
 * Entries of the engine whose ledger job has ended, is gone, or is in other hands, and that the engine still holds when asked
 * again. Normal after a flush or a restored Redis: the start gate ignores them. A number that only grows says that nobody
 * takes them out.
 */
export async function countLeftovers(context: StoreContext, engine: EngineView, lane: string): Promise<number> {
  let leftovers = 0;
  for (const place of ['waiting', 'active'] as const) {
    for (let from = 0; from < MOST_ENTRIES; from += PAGE) {
      const tickets = await askEngine(engine, () => engine.tickets(lane, place, from, from + PAGE - 1));
      const ours = tickets.filter(ticket => ticket !== null);
      leftovers += tickets.length - ours.length;
      for (const ticket of await withoutClaim(context, ours)) {
        if ((await askEngine(engine, () => engine.placeOf(lane, ticket))) !== 'gone') leftovers += 1;
      }
      if (tickets.length < PAGE) break;
    }
  }
  return leftovers;
}

async function withoutClaim(context: StoreContext, tickets: readonly Ticket[]): Promise<Ticket[]> {
  const tokens = await readTokens(
    context,
    tickets.map(ticket => ticket.id),
  );
  return tickets.filter(({ id, token }) => tokens.get(id.toHexString()) !== token.toHexString());
}
