import { Binary } from 'bson';
import { fail } from '../documents/errors.ts';
import { Doc, doc, type Value } from '../documents/value.ts';
import type { CommandSpec, Commands, Context } from './context.ts';
import { Transaction } from './transaction.ts';

export interface Session {
  readonly lsid: Value;
  number: bigint;
  /** The last retryable write or commit as the journal has it: {l: lsid, n: number, r: reply, x: of a transaction}. */
  record?: Doc | undefined;
  transaction?: Transaction | undefined;
}

/** The sessions that were not used for longest are forgotten. */
const MOST_SESSIONS = 50_000;
const LIFETIME_MS = 60_000;
const RETRYABLE_COMMANDS = ['insert', 'update', 'delete', 'findAndModify'];

export class Sessions {
  readonly #sessions = new Map<string, Session>();

  of(lsid: Value | undefined): Session {
    const id = lsid instanceof Doc ? lsid.get('id') : undefined;
    if (!(id instanceof Binary))
      return fail(40414, "BSON field 'OperationSessionInfo.lsid.id' is missing but a required field");
    const key = id.toString('hex');
    const session = this.#sessions.get(key) ?? { lsid: lsid as Doc, number: -1n };
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    const [oldest] = this.#sessions.size > MOST_SESSIONS ? this.#sessions.keys() : [];
    if (oldest !== undefined) this.#sessions.delete(oldest);
    return session;
  }

  remember(record: Doc): void {
    Object.assign(this.of(record.get('l')), { number: record.get('n'), record });
  }

  /** What a snapshot must keep, so that a repeated command is still recognised after it. */
  records(): Doc[] {
    return [...this.#sessions.values()].flatMap(({ record }) => record ?? []);
  }
}

/** The reply to this write if it was done already; a number older than the session's last one is refused. */
export function earlierReply({ number, record }: Session, wanted: bigint): Doc | undefined {
  if (wanted < number)
    fail(225, `Retryable write with txnNumber ${wanted} is prohibited: ${number} has already started.`);
  return wanted === number ? (record?.get('r') as Doc | undefined)?.copy() : undefined;
}

export function openSession(context: Context, spec: CommandSpec): Partial<Context> {
  const { args, name, services } = context;
  const lsid = args.optionalDoc('lsid');
  const sent = args.optionalNumber('txnNumber');
  const number = sent === undefined ? undefined : BigInt(sent);
  const autocommit = args.get('autocommit');
  if (!lsid && number !== undefined) fail(50768, 'Transaction number requires a session ID to be specified');
  if (!lsid) return {};
  const session = services.store.sessions.of(lsid);
  if (autocommit === undefined) {
    if (number !== undefined && !RETRYABLE_COMMANDS.includes(name))
      fail(50768, 'txnNumber may only be provided for multi-document transactions and retryable write commands.');
    return { session, number };
  }
  if (autocommit !== false) fail(72, 'Specifying autocommit=true is not allowed.');
  if (number === undefined) return fail(72, "'autocommit' field requires a transaction number to also be specified");
  if (!spec.inTransaction) fail(263, `Cannot run '${name}' in a multi-document transaction.`);
  return { session, number, transaction: transactionOf(context, session, number) };
}

function transactionOf({ services: { store }, args, name }: Context, session: Session, number: bigint) {
  const { transaction, record } = session;
  if (number < session.number)
    fail(225, `Cannot start transaction ${number}: a newer transaction ${session.number} has already started.`);
  if (args.get('startTransaction') === true) {
    if (number === session.number) fail(117, `Transaction ${number} has already been started on this session`);
    if (transaction) store.abort(transaction);
    const begun = new Transaction(number);
    const timer = setTimeout(() => store.abort(begun), LIFETIME_MS).unref();
    void begun.done.then(() => clearTimeout(timer));
    Object.assign(session, { number, record: undefined, transaction: begun });
    store.openTransactions.add(begun);
    return begun;
  }
  const known = number === session.number ? transaction : undefined;
  // A commit that was lost on the way back is asked again, perhaps of a server that has only its record.
  const isDone = known?.state === 'committed' || (!known && number === session.number && record);
  if (name === 'commitTransaction' && isDone) return known;
  if (known?.state === 'committed') fail(256, `Transaction with txnNumber ${number} has been committed.`);
  if (known?.state === 'open') return known;
  return fail(251, `Given transaction number ${number} does not match any in-progress transactions.`);
}

async function commit(context: Context): Promise<Doc> {
  const { transaction, session, number, services } = context;
  const { store } = services;
  if (!session || number === undefined) return fail(72, 'commitTransaction must be run within a transaction');
  context.position = store.journal.position;
  if (transaction?.state !== 'open') return doc({});
  await store.enter();
  try {
    context.position = store.commit(transaction, doc({ l: session.lsid, n: number, r: doc({}), x: true }));
  } finally {
    store.abort(transaction);
    store.leave();
  }
  return doc({});
}

function abort({ services, transaction }: Context): Doc {
  if (!transaction) return fail(251, 'Transaction was aborted');
  services.store.abort(transaction);
  return doc({});
}

/** Ends the transactions still open in the sessions that are named (killAllSessions: in all). */
function endSessions({ services: { store }, args, name }: Context): Doc {
  const lsids = args.get(name);
  const named = (Array.isArray(lsids) ? lsids : []).map(lsid => store.sessions.of(lsid).transaction);
  for (const transaction of store.openTransactions)
    if (name === 'killAllSessions' || named.includes(transaction)) store.abort(transaction);
  return doc({});
}

const ending = { fields: 'recoveryToken', writes: true, inTransaction: true, adminOnly: true };
const ends = { fields: '', anywhere: true, run: endSessions };

export const sessionCommands: Commands = {
  commitTransaction: { ...ending, run: commit },
  abortTransaction: { ...ending, run: abort },
  endSessions: ends,
  killAllSessions: ends,
};
