import { isTerminal, type JobStatus } from '../store/job-document.ts';
import type { HistoryRecord, JobRecord } from '../store/ledger-reads.ts';
import { HISTORY_KEPT } from '../store/status-change.ts';
import { isAllowed } from '../store/transitions.ts';
import type { JobRule } from './rule.ts';

/** The history is written with each change of status: what it says must lead to what the document says. */
export const HISTORY_RULES: readonly JobRule[] = [
  {
    id: 'history-table',
    severity: 'broken',
    text: 'every change of status is a transition of the table and begins where the one before ended',
    check: job => brokenStep(job),
  },
  {
    id: 'history-end',
    severity: 'broken',
    text: 'the last change of status leads to the status of the job',
    check: job => {
      const last = historyOf(job).entries.at(-1);
      // Without any: somebody else's insert, which nobody has touched.
      const expected = last?.to ?? 'pending';
      return expected === job.status ? null : `is ${job.status}, its history ends with ${last?.to ?? 'nothing'}`;
    },
  },
  {
    id: 'history-length',
    severity: 'broken',
    text: `the history holds the last ${HISTORY_KEPT} changes, historySeq counts all`,
    check: job => {
      const { entries } = historyOf(job);
      const seq = job.historySeq ?? 0;
      return entries.length === Math.min(HISTORY_KEPT, seq) ? null : `${entries.length} entries, historySeq ${seq}`;
    },
  },
  {
    id: 'one-end',
    severity: 'broken',
    text: 'a job ends once in a life',
    check: job => {
      const ends = thisLife(job).entries.filter(entry => entry.from !== entry.to && isTerminal(entry.to));
      return ends.length > 1 ? `ended ${ends.length} times: ${ends.map(entry => entry.via).join(', ')}` : null;
    },
  },
  {
    id: 'run-key',
    severity: 'broken',
    text: 'only the run that holds a job changes its status, and the run key is that of this run',
    check: job => wrongHolder(job),
  },
  {
    id: 'counts',
    severity: 'broken',
    text: 'runs, failures and runSeq are what the history counts',
    check: job => wrongCount(job),
  },
];

interface History {
  entries: readonly HistoryRecord[];
  /** Whether the first entry is the job's first. */
  isWhole: boolean;
}

function historyOf(job: JobRecord): History {
  const entries = Array.isArray(job.history) ? job.history : [];
  return { entries, isWhole: entries.length === (job.historySeq ?? 0) };
}

/** What came after the last redrive. */
function thisLife(job: JobRecord): History {
  const { entries, isWhole } = historyOf(job);
  const redrive = entries.findLastIndex(entry => entry.via === 'U3');
  return redrive < 0 ? { entries, isWhole } : { entries: entries.slice(redrive + 1), isWhole: true };
}

function brokenStep(job: JobRecord): string | null {
  const { entries, isWhole } = historyOf(job);
  let status: JobStatus | null | undefined = isWhole ? null : undefined;
  for (const { via, from, to } of entries) {
    if (!isAllowed(via, from, to)) return `${via} ${from} → ${to} is not in the table`;
    // The first change of somebody else's insert leaves `pending`.
    const follows = status === undefined || from === status || (status === null && from === 'pending');
    if (!follows) return `${via} ${from} → ${to} follows on ${status}`;
    status = to;
  }
  return null;
}

/** Which run holds the job; undefined: unknown, because the history was cut. */
type Holder = string | null | undefined;

/** Fenced by the run key: only the run that holds the job may make them, or be taken back by S2. */
const BY_HOLDER: ReadonlySet<string> = new Set(['T4s', 'T5', 'T5s', 'T6', 'T7', 'T8', 'T9', 'T10', 'S2']);
/** They take the run key away. */
const ENDS_HOLD: ReadonlySet<string> = new Set(['T1', 'T6', 'T9', 'U3']);

function wrongHolder(job: JobRecord): string | null {
  const { entries, isWhole } = historyOf(job);
  let holder: Holder = isWhole ? null : undefined;
  for (const entry of entries) {
    const run = entry.runKey?.toHexString() ?? null;
    if (BY_HOLDER.has(entry.via) && holder !== undefined && run !== holder) {
      return `${entry.via} ${entry.from} → ${entry.to} by run ${run} while run ${holder} holds the job`;
    }
    if (entry.via === 'T3') holder = run;
    else if (ENDS_HOLD.has(entry.via) || (entry.via === 'T10' && entry.to === 'pending')) holder = null;
  }
  const own = job.runKey?.toHexString() ?? null;
  return holder === undefined || holder === own ? null : `has run key ${own}, its history ends with run ${holder}`;
}

function wrongCount(job: JobRecord): string | null {
  const { entries, isWhole } = thisLife(job);
  const count = (...ids: string[]): number => entries.filter(entry => ids.includes(entry.via)).length;
  const counted = { runs: count('T3'), failures: count('T6', 'T7') };
  for (const field of ['runs', 'failures'] as const) {
    const [said, seen] = [job[field] ?? 0, counted[field]];
    if (isWhole ? said !== seen : said < seen) return `${field} is ${said}, its history has ${seen}`;
  }
  const all = historyOf(job);
  const lives = 1 + all.entries.filter(entry => entry.via === 'U3').length;
  const runSeq = job.runSeq ?? 1;
  return (all.isWhole ? runSeq !== lives : runSeq < lives) ? `runSeq is ${runSeq}, its history has ${lives}` : null;
}
