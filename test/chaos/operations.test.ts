import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../bench/chaos/oracle/evidence.ts';
import { figuresOf } from '../../bench/chaos/oracle/figures.ts';
import { brokenBy, judge } from '../../bench/chaos/oracle/judge.ts';
import { change, type Draft, job, judged, run, soundEvidence } from './fabricate.ts';

const asked = (kind: OperationRecord['kind'], key: string, status: number | null, at: number): OperationRecord => ({
  kind,
  jobId: `job-${key}`,
  at,
  ms: 10,
  status,
});
const remove = (draft: Draft, key: string) => {
  draft.jobs = draft.jobs.filter(candidate => candidate.key !== key);
};

/** Job `a` was cancelled at 50 before it started, redriven at 80, and then completed at its first run. */
function cancelledAndRedriven(draft: Draft): void {
  const redriven = job(draft, 'a');
  redriven.history.splice(1, 0, change('U1', 'pending', 'cancelled'), change('U3', 'cancelled', 'pending'));
  Object.assign(redriven, { historySeq: redriven.history.length, runSeq: 2 });
  draft.operations = [asked('cancel', 'a', 200, 40), asked('retry', 'a', 200, 70)];
}

/** A cancel was requested of `b` while it ran for the first time; its handler stopped. */
function cancelledAtWork(draft: Draft): void {
  const stopped = job(draft, 'b');
  stopped.history = [
    ...stopped.history.slice(0, 3),
    change('U2', 'processing', 'processing'),
    change('T8', 'processing', 'cancelled', 'b1'),
  ];
  Object.assign(stopped, { status: 'cancelled', runKey: 'b1', historySeq: 5, failures: 0 });
  draft.runs = draft.runs.filter(candidate => candidate.runKey !== 'b2');
  draft.operations = [asked('cancel', 'b', 202, 120)];
}

it('operations that were answered and done break nothing', () => {
  expect(judged(cancelledAndRedriven).texts).toEqual([]);
  expect(judged(cancelledAtWork).texts).toEqual([]);
});

describe('a deleted job', () => {
  const deleted = (status: number | null) => (draft: Draft) => {
    remove(draft, 'a');
    draft.operations = [asked('delete', 'a', status, 300)];
  };

  it('may be missing, with its runs, also when nobody knows whether it was done', () => {
    expect(judged(deleted(200)).texts).toEqual([]);
    expect(judged(deleted(null)).texts).toEqual([]);
    expect(judged(deleted(503)).texts).toEqual([]);
  });

  it('is lost when the delete was refused, or another job was deleted', () => {
    expect(judged(deleted(409)).broken).toEqual(['I1', 'I2']);
    expect(judged(deleted(404)).broken).toEqual(['I1', 'I2']);
    const { broken } = judged(draft => {
      remove(draft, 'a');
      draft.operations = [asked('delete', 'b', null, 300)];
    });
    expect(broken).toEqual(['I1', 'I2']);
  });

  it('is gone, and does not run again', () => {
    expect(judged(draft => (draft.operations = [asked('delete', 'a', 200, 300)])).texts).toEqual([
      'I11 the delete was answered 200 and it is there',
    ]);
    const { texts } = judged(draft => {
      deleted(200)(draft);
      draft.runs.push(run('a', 'a2', 'worker3', 400, 500));
    });
    expect(texts).toEqual(['I11 run a2 on worker3 began 90 ms after the delete was answered']);
  });
});

describe('a cancelled job', () => {
  it('does not start again without a retry', () => {
    const { texts } = judged(draft => {
      cancelledAndRedriven(draft);
      draft.operations = [asked('cancel', 'a', 200, 80), asked('retry', 'a', 200, 60)];
    });
    expect(texts).toEqual(['I11 run a1 on worker3 began 10 ms after the cancel was answered']);
  });

  it('may start when its worker was stopped past the gate', () => {
    const { broken } = judged(draft => {
      cancelledAndRedriven(draft);
      draft.operations = [asked('cancel', 'a', 200, 80), asked('retry', 'a', 200, 60)];
      draft.faults.push({ kind: 'stop', worker: 'worker3', at: 30, until: 95 });
    });
    expect(broken).toEqual([]);
  });

  it('was cancelled because somebody asked for it', () => {
    const unasked = judged(draft => {
      cancelledAtWork(draft);
      draft.operations = [];
    });
    expect(unasked.texts).toEqual([
      'I11 is cancelled and nobody asked for it',
      'I11 has 1 cancel requests, at most 0 were asked',
    ]);
    const unknown = judged(draft => {
      cancelledAtWork(draft);
      draft.operations = [asked('cancel', 'b', null, 120)];
    });
    expect(unknown.broken).toEqual([]);
  });

  it.each([
    ['handed back', 'T9', 'pending'],
    ['rescued', 'S2', 'pending'],
    ['failed', 'T7', 'failed'],
  ] as const)('is not %s after the request', (_, via, to) => {
    const { texts } = judged(draft => {
      cancelledAtWork(draft);
      job(draft, 'b').history[4] = change(via, 'processing', to, 'b1');
    });
    expect(texts).toContain(`I11 ${via} processing → ${to} although a cancel had been requested`);
  });

  it('has every answered cancel in its history', () => {
    const { texts } = judged(draft => {
      draft.operations = [asked('cancel', 'a', 200, 500), asked('cancel', 'a', 202, 500)];
    });
    expect(texts).toEqual([
      'I11 has 0 cancels before the start, 1 were answered',
      'I11 has 0 cancel requests, 1 were answered',
    ]);
  });
});

describe('a retry', () => {
  it('begins one life, and no life begins without one', () => {
    const twice = judged(draft => {
      cancelledAndRedriven(draft);
      draft.operations = [...(draft.operations ?? []), asked('retry', 'a', 200, 75)];
    });
    expect(twice.texts).toEqual(['I11 has 1 redrives, 2 were answered']);
    expect(judged(draft => (job(draft, 'a').runSeq = 2)).texts).toEqual(['I11 has 1 redrives, at most 0 were asked']);
  });

  it('makes no duplicate of the run of another life', () => {
    const draft = soundEvidence();
    const redriven = job(draft, 'a');
    const first = [change('T1', 'pending', 'queued'), change('T3', 'queued', 'processing', 'a0')];
    const cancelled = [change('U2', 'processing', 'processing'), change('T8', 'processing', 'cancelled', 'a0')];
    redriven.history.splice(1, 0, ...first, ...cancelled, change('U3', 'cancelled', 'pending'));
    Object.assign(redriven, { historySeq: redriven.history.length, runSeq: 2 });
    draft.runs.push(run('a', 'a0', 'worker3', 20, 30, 'fail'));
    draft.operations = [asked('cancel', 'a', 202, 22), asked('retry', 'a', 200, 40)];
    expect(brokenBy(judge(draft))).toEqual([]);
    expect(figuresOf(draft).duplicates).toBe(figuresOf(soundEvidence()).duplicates);
    redriven.runSeq = 1;
    expect(figuresOf(draft).duplicates).toBe(figuresOf(soundEvidence()).duplicates + 1);
  });
});

describe('an answer', () => {
  it('is one that the interface has', () => {
    const answered = (status: number) => judged(draft => (draft.operations = [asked('retry', 'a', status, 300)])).texts;
    expect(answered(409)).toEqual([]);
    expect(answered(503)).toEqual([]);
    expect(answered(500)).toEqual(['I11 the retry was answered 500 ']);
    expect(answered(202)).toContain('I11 the retry was answered 202 ');
    expect(answered(404)).toEqual(['I11 the retry was answered 404 and it is there']);
  });
});
