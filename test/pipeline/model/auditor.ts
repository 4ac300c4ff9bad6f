import { type HistoryEntry, isTerminal, type JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { isAllowed } from '../../../src/pipeline/store/transitions.ts';
import type { Facts } from '../../../src/pipeline/verify/rule.ts';
import { WALK_RULES } from '../../../src/pipeline/verify/rules.ts';
import type { Census } from './census.ts';

/** What the auditor remembers of a job from look to look. */
interface Account {
  document: JobDocument;
  /** Key of the run that may write. */
  runKey: string | null;
  lives: number;
  /** The history of this life, as ids of transitions. */
  life: string[];
}

/** Transitions that only the run may make whose key the job carries. */
const OF_A_RUN = new Set(['T4s', 'T5', 'T5s', 'T6', 'T7', 'T8', 'T9', 'T10', 'S2']);
/** After these the job carries no run's key any more. */
const ENDS_A_KEY = new Set(['T1', 'T6', 'T9', 'T10', 'U3']);
const AFTER_A_CANCEL_REQUEST = new Set(['U2', 'T5', 'T8', 'S2 cancelled']);

const FACTS: Facts = { now: 0, lanes: new Set(['default']), lateMs: 0, place: null };

/**
 * Holds the ledger to its promises, from the documents alone: it knows nothing of the model. `ledgermq verify` must find every
 * document in order, too.
 */
export class Auditor {
  #accounts = new Map<string, Account>();

  /** @throws Error that names the promise that was broken. */
  observe(documents: readonly JobDocument[], census: Census): void {
    const now = new Map<string, Account>();
    for (const document of documents) {
      const id = document._id.toHexString();
      const before = this.#accounts.get(id);
      now.set(
        id,
        before ? follow(before, document, census) : { document, runKey: null, lives: document.runSeq, life: [] },
      );
      if (!before) census.count('T0');
    }
    for (const [id, { document }] of this.#accounts) {
      if (now.has(id)) continue;
      promise(document.status !== 'processing', document, 'a running job is never deleted');
      census.count('U5');
    }
    this.#accounts = now;
  }
}

function follow(before: Account, document: JobDocument, census: Census): Account {
  const added = document.historySeq! - before.document.historySeq!;
  const entries = added === 0 ? [] : document.history!.slice(-added);
  const account: Account = { document, runKey: before.runKey, lives: before.lives, life: before.life };
  let { status } = before.document;
  for (const entry of entries) {
    promise(entry.from === status, document, `history is without gaps: ${entry.via} came after ${status}`);
    judge(account, entry);
    status = entry.to;
    census.count(`${entry.via} ${entry.from} > ${entry.to}`);
  }
  promise(document.status === status, document, 'every change of status is in the history');
  checkCounts(before.document, document, entries);
  checkFields(document);
  for (const rule of added > 0 ? WALK_RULES : []) {
    const wrong = rule.check(document, FACTS);
    promise(wrong === null, document, `verify has nothing to say, not "${rule.id}: ${wrong}"`);
  }
  return account;
}

/** Follows one entry: who may write, and what may follow what. */
function judge(account: Account, entry: HistoryEntry): void {
  const { via, from, to } = entry;
  const runKey = entry.runKey?.toHexString() ?? null;
  const { document, life } = account;
  promise(isAllowed(via, from, to), document, `${via} from ${from} to ${to} is in the table`);
  promise(from === null || !isTerminal(from) || via === 'U3', document, `only a redrive leaves ${from}, not ${via}`);
  if (OF_A_RUN.has(via))
    promise(runKey === account.runKey, document, `${via} is written by the run that holds the key`);
  const isCancelRequested = life.includes('U2');
  const name = via === 'S2' ? `S2 ${to}` : via;
  promise(!isCancelRequested || AFTER_A_CANCEL_REQUEST.has(name) || via === 'U3', document, `a cancel holds: ${name}`);
  promise(via !== 'T11' || !life.includes('T3'), document, 'a job that has started does not expire');
  if (via === 'U3') account.lives += 1;
  promise((entry.runSeq ?? account.lives) === account.lives, document, `${via} names the life that it belongs to`);
  if (via === 'T3') account.runKey = runKey;
  else if (ENDS_A_KEY.has(via)) account.runKey = null;
  account.life = via === 'U3' ? [] : [...life, name];
}

function checkCounts(before: JobDocument, document: JobDocument, entries: readonly HistoryEntry[]): void {
  const isNewLife = entries.some(entry => entry.via === 'U3');
  const base = isNewLife ? { runs: 0, failures: 0, crashes: 0 } : before;
  const times = (...vias: string[]): number => entries.filter(entry => vias.includes(entry.via)).length;
  promise(document.runs === base.runs + times('T3'), document, 'a start counts one run');
  const failures = base.failures + times('T6', 'T7');
  promise(document.failures === failures, document, 'a failure counts one; crash, hand-back and deploy none');
  promise(document.crashes <= base.crashes + times('S2', 'T10'), document, 'a lost worker counts at most one crash');
  promise(document.runSeq === before.runSeq + times('U3'), document, 'a redrive begins a life');
}

/** Which fields go with which status. */
function checkFields(document: JobDocument): void {
  const { status, token, runKey, owner, beatAt, suspectAt, finishedAt, cancelRequestedAt } = document;
  const isHeld = status === 'queued' || status === 'processing';
  promise(
    (owner !== undefined) === isHeld && (beatAt !== undefined) === isHeld,
    document,
    'who holds a job has a lease',
  );
  promise((finishedAt !== undefined) === isTerminal(status), document, 'what has ended has an end');
  if (status === 'processing') promise(runKey !== undefined, document, 'a run has a key');
  else promise(suspectAt === undefined, document, 'only a run is suspect');
  if (status === 'queued')
    promise(token !== undefined && runKey === undefined, document, 'a claim has a token, no run key');
  if (status === 'pending') promise(token === undefined, document, 'what waits has no token');
  if (!isTerminal(status) && status !== 'processing') {
    promise(cancelRequestedAt === undefined, document, 'what waits has no cancel request');
  }
}

function promise(holds: boolean, document: JobDocument, text: string): void {
  if (holds) return;
  const lines = document.history!.map(({ via, from, to, by }) => `  ${via} ${from} > ${to} by ${by}`);
  throw new Error(`broken promise: ${text}\n${document._id.toHexString()}\n${lines.join('\n')}`);
}
