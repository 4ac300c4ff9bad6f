import { describe, expect, it } from 'vitest';
import type { Act } from '../../bench/chaos/job/chaos-payload.ts';
import { blocksAmong } from '../../bench/chaos/oracle/deeds.ts';
import type { ProcessRecord } from '../../bench/chaos/oracle/evidence.ts';
import { brokenBy, judge } from '../../bench/chaos/oracle/judge.ts';
import { longestGap } from '../../bench/chaos/oracle/run-gaps.ts';
import { change, type Draft, run, soundEvidence } from './fabricate.ts';

/** The rules that a round breaks after these changes. */
function broken(...spoil: ((draft: Draft) => void)[]): string[] {
  const draft = soundEvidence();
  for (const one of spoil) one(draft);
  return brokenBy(judge(draft));
}

function plan(draft: Draft, key: string, payload: { acts?: Act[]; firstRun?: Act }): void {
  const found = draft.plans.get(key)!;
  draft.plans.set(key, { ...found, payload: { ...found.payload, ...payload } });
}

const REJECTION = 'said: {"level":"fatal","event":"unhandledRejection","msg":"a fault that nobody caught"}';

describe('a process that a handler of its own ended', () => {
  const fell = (draft: Draft, by: 'exit' | 'out-of-memory' | 'reject-unhandled', record: Partial<ProcessRecord>) => {
    draft.faults[0] = { kind: 'kill', worker: 'worker1', at: 1_100, by };
    Object.assign(draft.processes[0]!, { endedBy: null, ...record });
  };

  it('ends as such a process does', () => {
    expect(broken(draft => fell(draft, 'exit', { exit: { code: 7, signal: null } }))).toEqual([]);
    expect(broken(draft => fell(draft, 'exit', { exit: { code: 1, signal: null } }))).toEqual(['I9']);
    expect(broken(draft => fell(draft, 'out-of-memory', { exit: { code: null, signal: 'SIGABRT' } }))).toEqual([]);
    expect(broken(draft => fell(draft, 'out-of-memory', { exit: { code: 0, signal: null } }))).toEqual(['I9']);
    expect(broken(draft => fell(draft, 'reject-unhandled', { exit: { code: 0, signal: null } }))).toEqual(['I9']);
  });

  it('logs an unhandled rejection once', () => {
    const rejected = (alarms: string[]) =>
      broken(draft => fell(draft, 'reject-unhandled', { exit: { code: 1, signal: null }, alarms }));
    expect(rejected([REJECTION])).toEqual([]);
    expect(rejected([REJECTION, REJECTION])).toEqual(['I9']);
    expect(broken(draft => draft.processes[1]!.alarms.push(REJECTION))).toEqual(['I9']);
  });

  it('may leave the last words of V8 where a heap was to be filled, and only there', () => {
    const words = 'said: FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory';
    const speak = (draft: Draft) => draft.processes[2]!.alarms.push(words);
    expect(broken(speak)).toEqual(['I9']);
    const planned = (draft: Draft) => plan(draft, 'b', { acts: ['out-of-memory', 'ok'] });
    expect(broken(speak, planned)).toEqual([]);
    const fatal = (draft: Draft) => draft.processes[2]!.alarms.push('said: {"level":"fatal"}');
    expect(broken(planned, fatal)).toEqual(['I9']);
  });
});

it('takes a first run that held the event loop for a stop of its worker', () => {
  const draft = soundEvidence();
  plan(draft, 'd', { firstRun: 'block' });
  expect(blocksAmong(draft.runs, draft.plans)).toEqual([{ kind: 'stop', worker: 'worker2', at: 1_950, until: 8_010 }]);
  plan(draft, 'c', { firstRun: 'block' });
  expect(blocksAmong(draft.runs, draft.plans), 'a run without an end has held nothing up').toHaveLength(1);
});

it('counts a result that cannot be stored as the failure that the ledger says it is', () => {
  const refused = (draft: Draft) => {
    const job = draft.jobs.find(candidate => candidate.key === 'a')!;
    job.history[3] = change('T7', 'processing', 'failed', 'a1', 'result-not-storable');
    Object.assign(job, { status: 'failed', failures: 1 });
  };
  expect(broken(refused)).toEqual(['I4']);
  expect(broken(refused, draft => plan(draft, 'a', { acts: ['bigint'] }))).toEqual([]);
});

describe('SIGTERM', () => {
  const term = (exits: number) => (draft: Draft) => {
    draft.faults.push({ kind: 'term', worker: 'worker3', at: 9_000, until: 10_000, times: 1, exits });
  };

  it('has the exit code that is right for what the process held', () => {
    expect(broken(term(0))).toEqual([]);
    expect(broken(term(1))).toEqual(['I9']);
    const endsWithOne = (draft: Draft) => Object.assign(draft.processes[2]!, { exit: { code: 1, signal: null } });
    expect(broken(term(1), endsWithOne)).toEqual([]);
  });

  it('explains a run more for each one handed back, and none without it', () => {
    const handedBack = (draft: Draft) => {
      draft.concurrency = 1;
      const job = draft.jobs.find(candidate => candidate.key === 'a')!;
      const back = change('T9', 'processing', 'pending', 'a1');
      const again = [change('T1', 'pending', 'queued'), change('T3', 'queued', 'processing', 'a2')];
      job.history.splice(3, 1, back, ...again, change('T5', 'processing', 'completed', 'a2'));
      Object.assign(job, { historySeq: job.history.length, runKey: 'a2', runs: 2 });
      draft.runs.push(run('a', 'a2', 'worker3', 700, 800));
    };
    expect(broken(handedBack)).toEqual(['I6']);
    expect(broken(handedBack, term(0))).toEqual([]);
  });
});

it('finds how long a worker started nothing although a job waited', () => {
  const posts = [
    { key: 'x', client: 1, at: 0, ms: 5, status: 202, id: 'job-x' },
    { key: 'y', client: 1, at: 5, ms: 5, status: 202, id: 'job-y' },
    { key: 'z', client: 1, at: 8_000, ms: 0, status: 202, id: 'job-z' },
  ];
  const runs = [run('x', 'x1', 'w', 100, 4_000), run('y', 'y1', 'w', 4_100, 8_000), run('z', 'z1', 'w', 8_100, 8_200)];
  expect(longestGap({ posts, runs })).toBe(4_000);
});
