import { describe, expect, it } from 'vitest';
import { appendHistory, change, type Draft, job, judged, run, runOf } from './fabricate.ts';

describe('I6: extra runs are few, and each has its reason', () => {
  it('sees a run whose outcome got lost although nothing happened to its worker', () => {
    const { texts } = judged(draft => (runOf(draft, 'c1').worker = 'worker3'));
    expect(texts.filter(text => text.startsWith('I6'))).toHaveLength(1);
  });

  it('sees more of them than kills and stops explain', () => {
    expect(judged(draft => (draft.concurrency = 0)).broken).toEqual(['I6']);
    expect(judged(draft => (draft.concurrency = 1)).broken).toEqual([]);
  });

  it('forgives the child of a killed worker that begins its run a moment later', () => {
    const { broken } = judged(draft => {
      draft.faults = draft.faults.map(fault => (fault.kind === 'kill' ? { ...fault, at: 990 } : fault));
    });
    expect(broken).toEqual([]);
  });

  it('takes a long outage of one worker for the reason of its runs alone', () => {
    const cutOff = (worker: string, outlastsLease = true) =>
      judged(draft => {
        const outage = { kind: 'outage', of: 'mongo', how: 'cut off', at: 900, until: 4_000, outlastsLease } as const;
        draft.faults = [...draft.faults.filter(fault => fault.kind !== 'kill'), { ...outage, worker }];
      }).broken;
    expect(cutOff('worker1')).toEqual([]);
    expect(cutOff('worker3')).toEqual(['I6']);
    expect(cutOff('worker1', false)).toEqual(['I6']);
  });

  it('takes an outage for the reason of a run whose outcome was on its way when it began', () => {
    const cutAfterTheEnd = (ms: number) =>
      judged(draft => {
        const lost = draft.runs.find(({ runKey }) => runKey === 'c1')!;
        lost.end = { outcome: 'ok', at: 1_200 };
        const outage = { kind: 'outage', of: 'mongo', how: 'cut off', worker: 'worker1', outlastsLease: true } as const;
        draft.faults = draft.faults.filter(fault => fault.kind !== 'kill');
        draft.faults.push({ ...outage, at: 1_200 + ms, until: 4_400 });
        draft.processes = draft.processes.filter(({ name }) => name !== 'worker1');
      }).broken;
    expect(cutAfterTheEnd(50)).toEqual([]);
    expect(cutAfterTheEnd(1_500)).toEqual(['I6']);
  });

  it('takes no kill before the run for its reason', () => {
    const { broken } = judged(draft => {
      draft.faults = draft.faults.map(fault => (fault.kind === 'kill' ? { ...fault, at: -100 } : fault));
    });
    expect(broken).toEqual(['I6']);
  });
});

describe('I6: every open gate leads to a run', () => {
  /** Before job `a` ran, this process opened its gate and started nothing. */
  const emptyGate = (by: string, at: number) => (draft: Draft) => {
    const found = job(draft, 'a');
    const gate = { ...change('T3', 'queued', 'processing', 'a0', null, at), by };
    found.history.splice(1, 0, change('T1', 'pending', 'queued'), gate, change('S2', 'processing', 'pending', 'a0'));
    found.historySeq = found.history.length;
  };

  it('sees one that was opened for nobody', () => {
    expect(judged(emptyGate('host:3:test', 50)).texts).toEqual([
      'I6 worker3 opened the gate for run a0, which never began',
    ]);
  });

  it('forgives a worker that was killed or stopped before it could start', () => {
    expect(judged(emptyGate('host:1:test', 1_099)).broken).toEqual([]);
    expect(judged(emptyGate('host:2:test', 1_999)).broken).toEqual([]);
  });

  it('forgives a run that was cancelled or handed back unstarted', () => {
    for (const [via, to] of [
      ['T8', 'cancelled'],
      ['T9', 'pending'],
    ] as const) {
      const { texts } = judged(draft => {
        emptyGate('host:3:test', 50)(draft);
        job(draft, 'a').history[3] = change(via, 'processing', to, 'a0');
      });
      expect(texts.filter(text => text.startsWith('I6'))).toEqual([]);
    }
  });
});

describe('I7: runs do not overlap', () => {
  it('sees two runs at once that no lease expiry explains', () => {
    const { broken, texts } = judged(draft => (runOf(draft, 'b1').end!.at = 450));
    expect(broken).toEqual(['I7']);
    expect(texts[0]).toContain('overlap by 50 ms');
  });

  it('allows them after a timeout that the handler ignored', () => {
    const { broken } = judged(draft => {
      runOf(draft, 'b1').end = { outcome: 'ok', at: 450 };
      Object.assign(job(draft, 'b'), { timeoutMs: 200 });
      job(draft, 'b').history[3]!.reason = 'timeout';
    });
    expect(broken).toEqual([]);
  });

  it('takes a run without an end to last until its worker was killed', () => {
    const { broken } = judged(draft => {
      const taken = job(draft, 'c');
      taken.history.splice(3, 1, change('T9', 'processing', 'pending', 'other'));
      taken.history[3]!.runKey = 'c1';
      taken.history[3]!.via = 'T6';
      taken.failures = 1;
      runOf(draft, 'c2').startedAt = 1_050;
    });
    expect(broken).toEqual(['I7']);
  });

  it('goes by the order at the gate: a stopped worker may begin a run that another has taken over', () => {
    const { broken } = judged(draft => {
      Object.assign(runOf(draft, 'd1'), { startedAt: 8_050, end: { outcome: 'ok', at: 8_150 } });
      Object.assign(runOf(draft, 'd2'), { startedAt: 8_000, end: { outcome: 'ok', at: 8_100 } });
    });
    expect(broken).toEqual([]);
  });

  it('sees one run key that started twice', () => {
    expect(judged(draft => draft.runs.push(run('a', 'a1', 'worker2', 300, 400))).broken).toContain('I7');
  });

  it('sees two terminal events in one life, and none too many after a redrive', () => {
    const again = [change('T1', 'pending', 'queued'), change('U1', 'queued', 'cancelled')];
    const wrong = judged(draft => appendHistory(draft, 'a', change('S1', 'completed', 'pending'), ...again));
    expect(wrong.texts).toContain('I7 ended 2 times in one life (U1)');
    const right = judged(draft => {
      const cancelled = job(draft, 'a');
      cancelled.history = [change('T0', null, 'pending'), change('U1', 'pending', 'cancelled')];
      appendHistory(draft, 'a', change('U3', 'cancelled', 'pending'), ...again);
      Object.assign(cancelled, { runKey: null, runSeq: 2 });
      const answered = { jobId: 'job-a', ms: 1, status: 200 };
      draft.operations = [
        { ...answered, kind: 'cancel', at: 1 },
        { ...answered, kind: 'retry', at: 2 },
        { ...answered, kind: 'cancel', at: 3 },
      ];
      draft.runs = draft.runs.filter(candidate => candidate.key !== 'a');
    });
    expect(right.broken).toEqual([]);
  });
});
