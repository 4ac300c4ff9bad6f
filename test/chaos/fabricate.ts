import type { JobPlan } from '../../bench/chaos/job/job-plan.ts';
import { allKinds } from '../../bench/chaos/job/job-plan.ts';
import type {
  Evidence,
  LedgerHistoryEntry,
  LedgerJob,
  PostRecord,
  ProcessRecord,
  RunRecord,
} from '../../bench/chaos/oracle/evidence.ts';
import { brokenBy, judge } from '../../bench/chaos/oracle/judge.ts';
import { Random } from '../../bench/chaos/random.ts';

/** Evidence that can be changed, for tests that break one thing in a round that was well. */
export type Draft = { -readonly [Name in keyof Evidence]: Evidence[Name] } & {
  plans: Map<string, JobPlan>;
  posts: PostRecord[];
  runs: RunRecord[];
  faults: Evidence['faults'][number][];
  processes: ProcessRecord[];
  leftBehind: string[];
  jobs: LedgerJob[];
};

/**
 * A small round without a fault in it: job `a` completed at once; `b` failed once, then completed; `c` ran on a worker that
 * was killed, was taken back and completed on the other; `d` was stopped with its worker and its late result refused.
 */
export function soundEvidence(): Draft {
  const draft: Draft = {
    plans: new Map(),
    posts: [],
    runs: [],
    faults: [
      { kind: 'kill', worker: 'worker1', at: 1_100 },
      { kind: 'stop', worker: 'worker2', at: 2_000, until: 8_000 },
      { kind: 'flush', at: 3_000 },
    ],
    processes: [
      process('worker1', { endedBy: 'SIGKILL', exit: { code: null, signal: 'SIGKILL' }, endedAt: 1_101 }),
      process('worker2', {}),
      process('worker3', {}),
    ],
    leftBehind: [],
    jobs: [],
    concurrency: 2,
    workers: 3,
  };
  addJob(draft, 'a', ['ok'], [...claimed('a1'), ended('T5', 'a1', 'completed')], [run('a', 'a1', 'worker3', 100, 200)]);
  addJob(
    draft,
    'b',
    ['fail', 'ok'],
    [...claimed('b1'), ended('T6', 'b1', 'pending', 'Error'), ...claimed('b2'), ended('T5', 'b2', 'completed')],
    [run('b', 'b1', 'worker3', 100, 200, 'fail'), run('b', 'b2', 'worker3', 400, 500)],
  );
  addJob(
    draft,
    'c',
    ['ok'],
    [
      ...claimed('c1'),
      ended('S2', 'c1', 'pending', 'worker vanished'),
      ...claimed('c2'),
      ended('T5', 'c2', 'completed'),
    ],
    [run('c', 'c1', 'worker1', 1_000, null), run('c', 'c2', 'worker3', 4_500, 4_600)],
  );
  addJob(
    draft,
    'd',
    ['ok'],
    [
      ...claimed('d1'),
      ended('S2', 'd1', 'pending', 'worker vanished'),
      ...claimed('d2'),
      ended('T5', 'd2', 'completed'),
    ],
    [run('d', 'd1', 'worker2', 1_950, 8_010), run('d', 'd2', 'worker3', 6_000, 6_100)],
  );
  return draft;
}

function process(name: string, record: Partial<ProcessRecord>): ProcessRecord {
  const ended = { endedAt: 10_000, exit: { code: 0, signal: null }, endedBy: 'SIGTERM' } as const;
  return {
    name,
    role: 'worker',
    pid: Number(name.replace('worker', '')),
    startedAt: 0,
    ...ended,
    alarms: [],
    ...record,
  };
}

function addJob(
  draft: Draft,
  key: string,
  acts: JobPlan['payload']['acts'],
  changes: LedgerHistoryEntry[],
  runs: RunRecord[],
): void {
  const model = allKinds(key, new Random(1));
  draft.plans.set(key, { ...model, payload: { ...model.payload, key, acts }, maxRetries: 3, timeoutMs: 60_000 });
  draft.posts.push({ key, client: 1, at: 0, ms: 5, status: 202, id: `job-${key}` });
  draft.runs.push(...runs);
  const history: LedgerHistoryEntry[] = [change('T0', null, 'pending'), ...changes];
  draft.jobs.push({
    id: `job-${key}`,
    key,
    status: history.at(-1)!.to,
    runKey: history.at(-1)!.runKey,
    runSeq: 1,
    runs: runs.length,
    failures: history.filter(entry => entry.via === 'T6' || entry.via === 'T7').length,
    crashes: history.filter(entry => entry.via === 'S2').length,
    maxRetries: 3,
    timeoutMs: 60_000,
    history,
    historySeq: history.length,
  });
}

export function change(
  via: string,
  from: LedgerHistoryEntry['from'],
  to: LedgerHistoryEntry['to'],
  runKey: string | null = null,
  reason: string | null = null,
  at = 0,
): LedgerHistoryEntry {
  return { via, from, to, by: 'host:1:test', runKey, reason, at };
}

/** Claimed and started: run `runKey` holds the job. */
function claimed(runKey: string): LedgerHistoryEntry[] {
  return [change('T1', 'pending', 'queued'), change('T3', 'queued', 'processing', runKey)];
}

function ended(via: string, runKey: string, to: LedgerHistoryEntry['to'], reason?: string): LedgerHistoryEntry {
  return change(via, 'processing', to, runKey, reason ?? null);
}

export function run(
  key: string,
  runKey: string,
  worker: string,
  startedAt: number,
  endedAt: number | null,
  outcome: 'ok' | 'fail' = 'ok',
): RunRecord {
  const end = endedAt === null ? null : { outcome, at: endedAt };
  return { jobId: `job-${key}`, runKey, key, attempt: 1, worker, startedAt, end };
}

/** The rules that a round breaks after one thing in it was changed, and what they say. */
export function judged(spoil: (draft: Draft) => void): { broken: string[]; texts: string[] } {
  const draft = soundEvidence();
  spoil(draft);
  const verdicts = judge(draft);
  return {
    broken: brokenBy(verdicts),
    texts: verdicts.flatMap(verdict => verdict.violations.map(({ text }) => `${verdict.id} ${text}`)),
  };
}

export const job = (draft: Draft, key: string) => draft.jobs.find(candidate => candidate.key === key)!;
export const runOf = (draft: Draft, runKey: string) => draft.runs.find(candidate => candidate.runKey === runKey)!;
export const appendHistory = (draft: Draft, key: string, ...entries: ReturnType<typeof change>[]) => {
  const found = job(draft, key);
  found.history.push(...entries);
  found.historySeq = found.history.length;
  found.status = found.history.at(-1)!.to;
};
