import { describe, expect, it } from 'vitest';
import { openCasebook } from '../../bench/chaos/oracle/evidence.ts';
import { figuresOf } from '../../bench/chaos/oracle/figures.ts';
import { brokenBy, judge } from '../../bench/chaos/oracle/judge.ts';
import { recoveries } from '../../bench/chaos/oracle/recoveries.ts';
import { appendHistory, change, type Draft, job, judged, run, runOf, soundEvidence } from './fabricate.ts';

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
