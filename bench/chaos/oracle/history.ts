import { isTerminal, type JobStatus } from '../../../src/pipeline/store/job-document.ts';
import { isAllowed } from '../../../src/pipeline/store/transitions.ts';
import {
  hasWholeHistory,
  type Invariant,
  type LedgerHistoryEntry,
  type LedgerJob,
  type Violation,
} from './evidence.ts';

export const onlyKnownTransitions: Invariant = {
  id: 'I5',
  title: 'only transitions of the table, each by the run that holds the job, in an unbroken chain',
  check({ jobs }) {
    return jobs.flatMap(job => brokenHistory(job).map(text => ({ jobId: job.id, text })));
  },
};

/** Which run holds the job; undefined: unknown, because the history was cut. */
type Holder = string | null | undefined;

/** Fenced by the run key: only the run that holds the job may make them. */
const BY_HOLDER: ReadonlySet<string> = new Set(['T4s', 'T5', 'T5s', 'T6', 'T7', 'T8', 'T9', 'T10', 'S2']);
/** They take the run key away. */
const ENDS_HOLD: ReadonlySet<string> = new Set(['T1', 'T6', 'T9', 'U3']);

function brokenHistory(job: LedgerJob): string[] {
  const broken: string[] = [];
  if (job.history.length > job.historySeq)
    broken.push(`has ${job.history.length} entries, historySeq ${job.historySeq}`);
  let holder: Holder = hasWholeHistory(job) ? null : undefined;
  let status: JobStatus | null | undefined = hasWholeHistory(job) ? null : undefined;
  for (const entry of job.history) {
    broken.push(...brokenStep(entry, status, holder));
    holder = holderAfter(entry, holder);
    status = entry.to;
  }
  if (status !== job.status) broken.push(`is ${job.status}, its history ends with ${status}`);
  if (holder !== undefined && holder !== job.runKey)
    broken.push(`has run key ${job.runKey}, its history ends with ${holder}`);
  return broken;
}

function brokenStep(entry: LedgerHistoryEntry, status: JobStatus | null | undefined, holder: Holder): string[] {
  const step = `${entry.via} ${entry.from} → ${entry.to}`;
  const broken: string[] = [];
  if (!isAllowed(entry.via, entry.from, entry.to)) broken.push(`${step} is not in the table`);
  if (status !== undefined && entry.from !== status) broken.push(`${step} follows on ${status}`);
  if (status && isTerminal(status) && entry.via !== 'U3') broken.push(`${step} changes a terminal status`);
  if (BY_HOLDER.has(entry.via) && holder !== undefined && entry.runKey !== holder) {
    broken.push(`${step} by run ${entry.runKey} while run ${holder} holds the job`);
  }
  return broken;
}

function holderAfter(entry: LedgerHistoryEntry, holder: Holder): Holder {
  if (entry.via === 'T3') return entry.runKey;
  // The child of a run has died: what goes back to pending gives up its key, what ends keeps it.
  if (entry.via === 'T10') return entry.to === 'pending' ? null : holder;
  return ENDS_HOLD.has(entry.via) ? null : holder;
}

export function terminalEventsPerLife(job: LedgerJob): Violation[] {
  let inThisLife = 0;
  const violations: Violation[] = [];
  for (const entry of job.history) {
    if (entry.via === 'U3') inThisLife = 0;
    if (entry.from === entry.to || !isTerminal(entry.to)) continue;
    inThisLife += 1;
    if (inThisLife > 1)
      violations.push({ jobId: job.id, text: `ended ${inThisLife} times in one life (${entry.via})` });
  }
  return violations;
}
