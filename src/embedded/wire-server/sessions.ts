import { Binary } from 'bson';
import { fail } from './errors.ts';
import type { Transaction } from './transaction.ts';
import { Doc, type Value } from './value.ts';

interface SessionState {
  number: bigint;
  /** The last retryable write or commit as the journal has it: {l: lsid, n: number, r: reply, x: of a transaction}. */
  record: Doc | undefined;
  transaction: Transaction | undefined;
  /** How the last transaction ended. */
  ended: 'committed' | 'aborted' | undefined;
  lastUse: number;
}

/** Sessions not used for this long are forgotten; the server tells clients so. */
export const SESSION_MINUTES = 30;
const PRUNE_ABOVE = 10_000;

/** The map key of an lsid: the bytes of its id. */
export function sessionKey(lsid: Value | undefined): string {
  const id = lsid instanceof Doc ? lsid.get('id') : undefined;
  if (id instanceof Binary) return id.toString('hex');
  return fail(40414, "BSON field 'OperationSessionInfo.lsid.id' is missing but a required field");
}

export class Sessions {
  readonly #sessions = new Map<string, SessionState>();

  state(key: string): SessionState {
    let state = this.#sessions.get(key);
    if (!state) {
      if (this.#sessions.size > PRUNE_ABOVE) this.#prune();
      state = { number: -1n, record: undefined, transaction: undefined, ended: undefined, lastUse: 0 };
      this.#sessions.set(key, state);
    }
    state.lastUse = performance.now();
    return state;
  }

  remember(key: string, record: Doc): void {
    Object.assign(this.state(key), { number: record.get('n'), record });
  }

  /** What a snapshot must keep, so that a repeated command is still recognised after it. */
  replies(): Doc[] {
    return [...this.#sessions.values()].flatMap(({ record }) => record ?? []);
  }

  /** The stored reply if this write was done already; a number older than the last one is refused. */
  replyTo(key: string, number: bigint): Doc | undefined {
    const state = this.state(key);
    if (number < state.number)
      fail(225, `Retryable write with txnNumber ${number} is prohibited: ${state.number} has already started.`);
    return number === state.number ? (state.record?.get('r') as Doc | undefined) : undefined;
  }

  #prune(): void {
    const oldest = performance.now() - SESSION_MINUTES * 60_000;
    for (const [key, state] of this.#sessions)
      if (!state.transaction && state.lastUse < oldest) this.#sessions.delete(key);
  }
}
