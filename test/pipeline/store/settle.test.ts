import { mongo } from 'mongoose';
import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../../src/pipeline/store/job-document.ts';
import { type FoundRun, type Outcome, type RunEnd, settle } from '../../../src/pipeline/store/run-outcomes.ts';

const me = 'host:1:aaaa';
const id = new mongo.ObjectId();
const runKey = new mongo.ObjectId();
const other = new mongo.ObjectId();
const at = new Date();
const error = { name: 'Error', message: 'no', attempt: 1, retryable: true, at };
const end = (outcome: Outcome): RunEnd => ({ run: { id, runKey, tenant: 'default', runSeq: 1 }, outcome });
const completed = end({ kind: 'completed', result: 1 });
const retry = end({ kind: 'retry', error, delayMs: 10 });
const job = (over: Partial<FoundRun>): FoundRun => ({ _id: id, status: 'processing', runKey, history: [], ...over });
const entry = (over: Partial<HistoryEntry>): HistoryEntry => ({
  at,
  from: 'processing',
  to: 'completed',
  by: me,
  via: 'T5',
  runKey,
  ...over,
});

describe('settle: what follows when an outcome did not find its run', () => {
  it('knows its own write whose reply was lost', () => {
    expect(settle(me, completed, job({ status: 'completed', history: [entry({})] }))).toEqual({
      status: 'recorded',
      as: 'completed',
      via: 'T5',
    });
    const retried = job({ status: 'queued', history: [entry({ to: 'pending', via: 'T6' }), entry({ runKey: other })] });
    delete retried.runKey;
    expect(settle(me, retry, retried)).toMatchObject({ status: 'recorded', via: 'T6' });
  });

  it('does not take another process for itself', () => {
    const history = [entry({ by: 'host:2:bbbb', to: 'cancelled', via: 'S2' })];
    expect(settle(me, completed, job({ status: 'cancelled', history }))).toEqual({ status: 'lost' });
  });

  it('does not take its own sweeper for its recorder', () => {
    const history = [entry({ to: 'failed', via: 'S2' })];
    expect(settle(me, completed, job({ status: 'failed', history }))).toEqual({ status: 'lost' });
  });

  it('records a late success of a run that was given up, but no late failure', () => {
    const givenUp = job({ status: 'pending', history: [entry({ to: 'pending', via: 'S2', by: 'x' })] });
    expect(settle(me, completed, givenUp)).toMatchObject({
      status: 'again',
      outcome: { kind: 'completed', late: true },
    });
    expect(settle(me, retry, givenUp)).toEqual({ status: 'lost' });
  });

  it('loses against another run and against a delete', () => {
    expect(settle(me, completed, job({ runKey: other }))).toEqual({ status: 'lost' });
    expect(settle(me, completed, undefined)).toEqual({ status: 'lost' });
  });

  it('turns a failure into a cancel when one was requested', () => {
    expect(settle(me, retry, job({ cancelRequestedAt: at }))).toMatchObject({
      status: 'again',
      outcome: { kind: 'cancelled', error },
    });
  });

  it('hands a run back whose cancel signal was stale', () => {
    expect(settle(me, end({ kind: 'cancelled' }), job({}))).toMatchObject({ outcome: { kind: 'handed-back' } });
  });
});
