import { describe, expect, it } from 'vitest';
import { openCasebook } from '../../bench/chaos/oracle/evidence.ts';
import { figuresOf } from '../../bench/chaos/oracle/figures.ts';
import { brokenBy, judge } from '../../bench/chaos/oracle/judge.ts';
import { recoveries } from '../../bench/chaos/oracle/recoveries.ts';
import { change, type Draft, run, soundEvidence } from './fabricate.ts';

/** The rules that a round breaks after one thing in it was changed, and what they say. */
function judged(spoil: (draft: Draft) => void): { broken: string[]; texts: string[] } {
  const draft = soundEvidence();
  spoil(draft);
  const verdicts = judge(draft);
  return {
    broken: brokenBy(verdicts),
    texts: verdicts.flatMap(verdict => verdict.violations.map(({ text }) => `${verdict.id} ${text}`)),
  };
}

const job = (draft: Draft, key: string) => draft.jobs.find(candidate => candidate.key === key)!;
const runOf = (draft: Draft, runKey: string) => draft.runs.find(candidate => candidate.runKey === runKey)!;
const appendHistory = (draft: Draft, key: string, ...entries: ReturnType<typeof change>[]) => {
  const found = job(draft, key);
  found.history.push(...entries);
  found.historySeq = found.history.length;
  found.status = found.history.at(-1)!.to;
};

it('finds nothing wrong with a sound round that has a kill, a stop and a flush in it', () => {
  expect(judged(() => undefined).texts).toEqual([]);
});

it('counts what happened in it', () => {
  expect(figuresOf(soundEvidence())).toMatchObject({
    jobs: 4,
    completed: 4,
    kills: 1,
    stops: 1,
    flushes: 1,
    lateRefused: 1,
    lateAccepted: 0,
    rescues: 2,
    runs: 7,
    extraRuns: 2,
    extraRunsBound: 4,
    duplicates: 2,
    recovery: { count: 1, p50: 3_400 },
  });
});

it('lets the time of the next kill run from the gate that it hit, also when no handler had started', () => {
  const draft = soundEvidence();
  const c = job(draft, 'c');
  const between = { ...change('T3', 'queued', 'processing', 'cx', null, 3_000), by: 'host:3:test' };
  const rescue = change('S2', 'processing', 'pending', 'cx', 'worker vanished');
  c.history.splice(4, 0, change('T1', 'pending', 'queued'), between, rescue);
  c.historySeq = c.history.length;
  draft.faults.push({ kind: 'kill', worker: 'worker3', at: 3_600 });
  expect(recoveries(openCasebook(draft))).toEqual([1_900, 900]);
});

it('tells a late result that the ledger could still take from one that it refused', () => {
  const draft = soundEvidence();
  const late = job(draft, 'd');
  late.history = [...late.history.slice(0, 4), change('T5s', 'pending', 'completed', 'd1')];
  late.historySeq = late.history.length;
  late.runKey = 'd1';
  draft.runs = draft.runs.filter(candidate => candidate.runKey !== 'd2');
  expect(brokenBy(judge(draft))).toEqual([]);
  expect(figuresOf(draft)).toMatchObject({ lateRefused: 0, lateAccepted: 1 });
});

describe('I1: every accepted job ends', () => {
  it('misses a job that was accepted and is gone', () => {
    const { broken } = judged(draft => {
      draft.jobs = draft.jobs.filter(candidate => candidate.key !== 'a');
      draft.runs = draft.runs.filter(candidate => candidate.key !== 'a');
    });
    expect(broken).toEqual(['I1']);
  });

  it('names a job that did not end, with its status and last change', () => {
    const { broken, texts } = judged(draft => {
      const stuck = job(draft, 'a');
      stuck.history = stuck.history.slice(0, 2);
      Object.assign(stuck, { status: 'queued', historySeq: 2, runKey: null });
      draft.runs = draft.runs.filter(candidate => candidate.key !== 'a');
    });
    expect(broken).toEqual(['I1']);
    expect(texts[0]).toContain('is still queued; last change T1');
  });

  it('sees an answer that names the job of another key', () => {
    expect(judged(draft => (draft.posts[0]!.id = 'job-b')).broken).toEqual(['I1']);
  });

  it('sees a good post that was refused, but forgives an outage that a later try overcame', () => {
    const first = { key: 'a', client: 1, at: 0, ms: 5, id: null };
    expect(judged(draft => draft.posts.unshift({ ...first, status: 400 })).broken).toEqual(['I1']);
    expect(judged(draft => draft.posts.unshift({ ...first, status: 503 })).broken).toEqual([]);
    expect(judged(draft => draft.posts.unshift({ ...first, status: null })).broken).toEqual([]);
  });

  it('sees a key that never got through', () => {
    expect(
      judged(draft => draft.posts.push({ key: 'z', client: 1, at: 0, ms: 5, status: 503, id: null })).broken,
    ).toEqual(['I1']);
  });
});

describe('I2: nothing else runs', () => {
  it('sees a run of a job that is not in the ledger', () => {
    expect(judged(draft => draft.runs.push({ ...run('x', 'x1', 'worker3', 0, 10) })).broken).toEqual(['I2']);
  });

  it('sees a job that nobody posted', () => {
    expect(judged(draft => (draft.posts = draft.posts.filter(post => post.key !== 'a'))).broken).toEqual(['I2']);
  });

  it('sees two jobs of one key', () => {
    const { broken, texts } = judged(draft => {
      const twin = structuredClone(job(draft, 'a'));
      draft.jobs.push({ ...twin, id: 'job-twin', status: 'cancelled', history: [], historySeq: 60 });
    });
    expect(broken).toContain('I2');
    expect(texts.join()).toContain('a made this job and job-a');
  });

  it('sees a run that did not pass the start gate', () => {
    const { broken } = judged(draft => {
      draft.runs.push(run('a', 'a0', 'worker1', 50, 60));
    });
    expect(broken).toContain('I2');
  });
});

describe('I3: completed means done', () => {
  it('sees a completion without an end ok', () => {
    expect(judged(draft => (runOf(draft, 'a1').end = null)).broken).toContain('I3');
    expect(judged(draft => (runOf(draft, 'b2').end!.outcome = 'fail')).broken).toContain('I3');
  });

  it('sees a completion by a run that had lost the job', () => {
    const { broken } = judged(draft => {
      job(draft, 'd').history.at(-1)!.runKey = 'd1';
    });
    expect(broken).toEqual(['I3', 'I5', 'I6']);
  });
});

describe('I4: failures are counted', () => {
  it('sees a crash that cost a retry', () => {
    expect(judged(draft => (job(draft, 'a').failures = 1)).texts.join()).toContain('only 0 runs without an end ok');
  });

  it('sees more failures than retries allow', () => {
    expect(judged(draft => (job(draft, 'b').maxRetries = 0)).broken).toEqual([]);
    expect(judged(draft => Object.assign(job(draft, 'b'), { maxRetries: 0, failures: 2 })).broken).toEqual(['I4']);
  });

  it('sees a failure that was not counted', () => {
    expect(judged(draft => (job(draft, 'b').failures = 0)).texts).toEqual(['I4 has 0 failures, but 1 runs failed']);
  });

  it('takes an end ok after the deadline for what the ledger says of it: a timeout, or a success', () => {
    const late = (draft: Draft) => (job(draft, 'a').timeoutMs = 50);
    expect(judged(late).broken).toEqual([]);
    expect(judged(draft => Object.assign(job(draft, 'a'), { timeoutMs: 50, failures: 1 })).broken).toEqual([]);
  });

  it('gives an answer a second to reach its worker, but only where the ledger speaks of a timeout', () => {
    const timedOut = (timeoutMs: number) => (draft: Draft) => {
      Object.assign(job(draft, 'b'), { timeoutMs });
      job(draft, 'b').history[3]!.reason = 'timeout';
      runOf(draft, 'b1').end!.outcome = 'ok';
    };
    expect(judged(timedOut(1_000)).broken).toEqual([]);
    expect(judged(timedOut(5_000)).broken).toEqual(['I4']);
    expect(judged(draft => (runOf(draft, 'b1').end!.outcome = 'ok')).broken).toEqual(['I4']);
  });

  it('takes a result that did not fit into its document for a failure', () => {
    const refused = (isFull: boolean) => (draft: Draft) => {
      const full = job(draft, 'a');
      draft.plans.get('a')!.payload.acts = [isFull ? 'no-room' : 'ok'];
      full.history[3] = change('T7', 'processing', 'failed', 'a1', 'result-not-storable');
      Object.assign(full, { status: 'failed', failures: 1 });
    };
    expect(judged(refused(true)).broken).toEqual([]);
    expect(judged(refused(false)).broken).toEqual(['I4']);
  });

  it('does not count what was handed back or given up', () => {
    const { broken } = judged(draft => {
      const handedBack = job(draft, 'b');
      handedBack.history[3]!.via = 'T9';
      handedBack.failures = 0;
    });
    expect(broken).toEqual([]);
  });

  it('sees a job that ended otherwise than its plan says', () => {
    const { texts } = judged(draft => {
      const poisoned = job(draft, 'b');
      poisoned.status = 'failed';
      poisoned.history[poisoned.history.length - 1] = change('T10', 'processing', 'failed', 'b2', 'poison');
    });
    expect(texts).toContain('I4 must end completed by its plan and is failed (T10 poison)');
  });
});

describe('I5: only known transitions', () => {
  it('sees a change that the table does not know', () => {
    expect(judged(draft => (job(draft, 'a').history[1]!.via = 'T2')).broken).toEqual(['I5']);
    expect(judged(draft => (job(draft, 'a').history[1]!.via = 'nonsense')).broken).toEqual(['I5']);
  });

  it('sees a gap in the chain', () => {
    expect(judged(draft => job(draft, 'b').history.splice(1, 1)).broken).toEqual(['I5']);
    expect(judged(draft => (job(draft, 'b').historySeq = 3)).broken).toContain('I5');
  });

  it('sees a terminal status that something else than a redrive changed', () => {
    const { texts } = judged(draft => appendHistory(draft, 'a', change('S2', 'completed', 'pending', 'a1')));
    expect(texts).toContain('I5 S2 completed → pending changes a terminal status');
  });

  it('sees a status or a run key that the history does not explain', () => {
    expect(judged(draft => (job(draft, 'a').status = 'cancelled')).broken).toEqual(['I5', 'I11']);
    expect(judged(draft => (job(draft, 'a').runKey = 'other')).broken).toContain('I5');
  });

  it('sees an outcome of a run that does not hold the job', () => {
    const { texts } = judged(draft => {
      job(draft, 'b').history[3]!.runKey = 'b0';
    });
    expect(texts).toContain('I5 T6 processing → pending by run b0 while run b1 holds the job');
  });

  it('sees a run key that outlived a recorded failure', () => {
    const { texts } = judged(draft => {
      const job5 = job(draft, 'b');
      job5.history = [...job5.history.slice(0, 4), change('T5s', 'pending', 'completed', 'b1')];
      Object.assign(job5, { historySeq: 5, runKey: 'b1' });
    });
    expect(texts).toContain('I5 T5s pending → completed by run b1 while run null holds the job');
  });

  it('judges a history that was cut by what is left of it', () => {
    const cut = (draft: Draft) => {
      const long = job(draft, 'b');
      long.history = long.history.slice(3);
      long.historySeq = 60;
    };
    expect(judged(cut).broken).toEqual([]);
    expect(
      judged(draft => {
        cut(draft);
        job(draft, 'b').history.splice(1, 1);
      }).broken,
    ).toEqual(['I5']);
  });
});

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

describe('I9: processes end well', () => {
  it('sees a process that ended by itself, with a wrong code, or not at all', () => {
    expect(judged(draft => (draft.processes[1]!.endedBy = null)).broken).toEqual(['I9']);
    expect(judged(draft => (draft.processes[1]!.exit = { code: 1, signal: null })).broken).toEqual(['I9']);
    expect(judged(draft => (draft.processes[1]!.exit = { code: null, signal: 'SIGTERM' })).broken).toEqual(['I9']);
    expect(judged(draft => (draft.processes[1]!.exit = null)).broken).toEqual(['I9']);
    expect(judged(draft => (draft.processes[0]!.exit = { code: 0, signal: null })).broken).toEqual(['I9']);
  });

  it('sees a fault that nobody caught, and a child that outlived its worker', () => {
    expect(judged(draft => draft.processes[1]!.alarms.push('said: unhandledRejection')).broken).toEqual(['I9']);
    expect(judged(draft => draft.leftBehind.push('process 7')).broken).toEqual(['I9']);
  });
});
