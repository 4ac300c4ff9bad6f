import { describe, expect, it } from 'vitest';
import { type Outage, openCasebook } from '../../bench/chaos/oracle/evidence.ts';
import { completionTimes, lastWorkerBegan, perSecond, recoveredAfter } from '../../bench/chaos/oracle/throughput.ts';
import { postsDuring, throughputUnderFlushes, unreadyWithin } from '../../bench/chaos/scenarios/redis.ts';
import { type Draft, run, soundEvidence } from './fabricate.ts';

/** Completions at an even pace: so many a second from `from` until `to`. */
const pace = (rate: number, from: number, to: number): number[] =>
  Array.from({ length: Math.floor(((to - from) * rate) / 1_000) }, (_, index) => from + (index * 1_000) / rate);

const outage: Outage = { kind: 'outage', of: 'redis', how: 'away', at: 1_000, until: 61_000, outlastsLease: false };

describe('throughput', () => {
  it('counts the runs that completed their jobs, not those whose results were refused', () => {
    expect(completionTimes(openCasebook(soundEvidence()))).toEqual([200, 500, 4_600, 6_100]);
  });

  it('is jobs a second of a stretch of time', () => {
    expect(perSecond(pace(40, 0, 10_000), 2_000, 4_000)).toBe(40);
    expect(perSecond([], 0, 0)).toBe(0);
  });

  it('is back with the first whole second that has enough of it', () => {
    const times = [...pace(5, 0, 3_000), ...pace(50, 3_000, 10_000)];
    expect(recoveredAfter(times, 0, 45)).toBeGreaterThan(3_700);
    expect(recoveredAfter(times, 0, 45)).toBeLessThan(4_100);
    expect(recoveredAfter(times, 0, 60)).toBe(Number.POSITIVE_INFINITY);
    expect(recoveredAfter(times, 5_000, 45)).toBeGreaterThanOrEqual(1_000);
  });
});

describe('the throughput under flushes', () => {
  const flushed = (rateUnder: number) => {
    const draft: Draft = soundEvidence();
    draft.faults = Array.from({ length: 10 }, (_, index) => ({ kind: 'flush', at: 20_000 + index * 2_000 }));
    draft.runs = [...pace(50, 10_000, 26_000), ...pace(rateUnder, 26_000, 40_000)].map((at, index) =>
      run('a', `r${index}`, 'worker3', at - 100, at),
    );
    draft.jobs = draft.runs.map(({ runKey }, index) => ({ ...draft.jobs[0]!, id: `job-${index}`, runKey }));
    draft.runs = draft.runs.map((one, index) => ({ ...one, jobId: `job-${index}` }));
    return throughputUnderFlushes(openCasebook(draft))[0];
  };

  it('is compared with the quiet before, from 6 s after the first one', () => {
    expect(flushed(50)).toMatchObject({ met: true });
    expect(flushed(40)).toMatchObject({ met: false });
  });
});

describe('workers after an outage', () => {
  it('are back when each of them has begun a run', () => {
    const draft = soundEvidence();
    draft.runs = [run('a', 'a1', 'worker2', 62_000, 62_100), run('b', 'b1', 'worker3', 66_000, 66_100)];
    for (const process of draft.processes) if (process.name !== 'worker1') process.endedAt = 90_000;
    expect(lastWorkerBegan(openCasebook(draft), 61_000)).toBe(5_000);
    draft.runs.pop();
    expect(lastWorkerBegan(openCasebook(draft), 61_000)).toBe(Number.POSITIVE_INFINITY);
  });

  it('have said in time that they are not ready, every one of them', () => {
    const casebook = openCasebook(soundEvidence());
    const said = (...times: (number | null)[]) =>
      unreadyWithin(
        casebook,
        { ...outage, unready: times.map((afterMs, index) => ({ worker: `worker${index + 1}`, afterMs })) },
        10,
      ).met;
    expect(said(500, 900, 9_000)).toBe(true);
    expect(said(500, 900, 11_000)).toBe(false);
    expect(said(500, 900, null)).toBe(false);
    expect(said(500, 900)).toBe(false);
  });
});

it('posts during an outage must be accepted, and soon', () => {
  const met = (status: number | null, ms: number) => {
    const draft = soundEvidence();
    draft.posts = Array.from({ length: 50 }, (_, index) => ({
      key: `k${index}`,
      client: 1,
      at: 1_000 + index * 1_000,
      ms: 5,
      status: 202,
      id: `job-${index}`,
    }));
    Object.assign(draft.posts[7]!, { status, ms });
    return postsDuring(openCasebook(draft), outage).map(measure => measure.met);
  };
  expect(met(202, 99)).toEqual([true, true, true]);
  expect(met(503, 5)).toEqual([true, false, true]);
  expect(met(null, 10_000)).toEqual([true, false, false]);
});
