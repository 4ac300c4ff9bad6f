import type { CommandSpec, Commands, Context, SessionContext } from './context.ts';
import { fail } from './errors.ts';
import { sessionKey } from './sessions.ts';
import { Transaction } from './transaction.ts';
import { asNumber, Doc, doc, type Value } from './value.ts';

const RETRYABLE_COMMANDS = new Set(['insert', 'update', 'delete', 'findAndModify', 'findandmodify', 'bulkWrite']);
const LIFETIME_MS = 60_000;

/** The session of a command, with its transaction begun or found; undefined for a command without an lsid. */
export function openSession(context: Context, spec: CommandSpec): SessionContext | undefined {
  const { args, name } = context;
  const lsid = args.optionalDoc('lsid');
  const sent = args.optionalNumber('txnNumber');
  const number = sent === undefined ? undefined : BigInt(sent);
  const autocommit = args.get('autocommit');
  if (!lsid && number === undefined) return undefined;
  if (!lsid) return fail(50768, 'Transaction number requires a session ID to be specified');
  const session = { key: sessionKey(lsid), lsid, number, transaction: undefined };
  if (autocommit === undefined) {
    if (number !== undefined && !RETRYABLE_COMMANDS.has(name))
      fail(50768, 'txnNumber may only be provided for multi-document transactions and retryable write commands.');
    return session;
  }
  if (autocommit !== false) fail(72, 'Specifying autocommit=true is not allowed.');
  if (number === undefined) return fail(72, "'autocommit' field requires a transaction number to also be specified");
  if (!spec.inTransaction) fail(263, `Cannot run '${name}' in a multi-document transaction.`);
  return { ...session, transaction: transactionOf(context, session.key, number) };
}

function transactionOf({ services, args, name }: Context, key: string, number: bigint): Transaction | undefined {
  const { store } = services;
  const state = store.sessions.state(key);
  if (number < state.number)
    fail(225, `Cannot start transaction ${number}: a newer transaction ${state.number} has already started.`);
  if (args.get('startTransaction') === true) {
    if (number === state.number) fail(117, `Transaction ${number} has already been started on this session`);
    if (state.transaction) store.abort(state.transaction);
    const transaction = new Transaction(key, number);
    const timer = setTimeout(() => state.transaction === transaction && store.endTransaction(transaction), LIFETIME_MS);
    timer.unref();
    void transaction.done.then(() => clearTimeout(timer));
    Object.assign(state, { number, record: undefined, transaction, ended: undefined });
    store.openTransactions.add(transaction);
    return transaction;
  }
  if (state.number === number && state.transaction) return state.transaction;
  const committed = state.number === number && state.ended === 'committed';
  if (name === 'commitTransaction' && state.number === number && (committed || state.record)) return undefined;
  if (committed) fail(256, `Transaction with txnNumber ${number} has been committed.`);
  return fail(251, `Given transaction number ${number} does not match any in-progress transactions.`);
}

/** Any error inside a transaction ends it. */
export function endBroken({ services, name, args }: Context): void {
  const lsid = args.get('lsid');
  if (args.get('autocommit') !== false || !(lsid instanceof Doc) || name === 'commitTransaction') return;
  const { transaction } = services.store.sessions.state(sessionKey(lsid));
  if (transaction && Number(transaction.number) === asNumber(args.get('txnNumber')))
    services.store.endTransaction(transaction);
}

async function commit(context: Context): Promise<Doc> {
  const { services, session } = context;
  const { store } = services;
  if (!session || session.number === undefined) return fail(72, 'commitTransaction must be run within a transaction');
  context.position = store.position;
  const { transaction } = session;
  // A commit that was lost on the way back is asked again: it is done, and says so.
  if (!transaction) return doc({});
  await store.enter();
  try {
    context.position = store.commit(transaction, session.lsid, session.key, doc({}));
    Object.assign(store.sessions.state(session.key), { transaction: undefined, ended: 'committed' });
  } catch (error) {
    store.endTransaction(transaction);
    throw error;
  } finally {
    store.leave();
  }
  return doc({});
}

function abort({ services, session }: Context): Doc {
  if (!session?.transaction) return fail(251, 'Transaction was aborted');
  services.store.endTransaction(session.transaction);
  return doc({});
}

/** Ends the transactions still open in the sessions that are named (killAllSessions: in all). */
function endSessions({ services, args, name }: Context): Doc {
  const ids = args.get(name);
  const keys = (Array.isArray(ids) ? ids : []).map((lsid: Value) => sessionKey(lsid));
  for (const transaction of services.store.openTransactions)
    if (name === 'killAllSessions' || keys.includes(transaction.key)) services.store.endTransaction(transaction);
  return doc({});
}

const ending = { fields: 'recoveryToken', writes: true, inTransaction: true, adminOnly: true };
const ends = { fields: '', run: endSessions };

export const sessionCommands: Commands = {
  commitTransaction: { ...ending, run: commit },
  abortTransaction: { ...ending, run: abort },
  refreshSessions: { fields: '', run: () => doc({}) },
  endSessions: ends,
  killSessions: ends,
  killAllSessions: ends,
};
