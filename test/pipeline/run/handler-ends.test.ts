import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineJob } from '../../../src/jobs/define-job.ts';
import type { JobContext } from '../../../src/jobs/job-context.ts';
import { TaskError } from '../../../src/jobs/task-error.ts';
import { callHandler, type HandlerAnswer, supervise } from '../../../src/pipeline/run/execute.ts';
import { toHandlerError } from '../../../src/pipeline/run/handler-error.ts';
import { RESULT_LIMIT_BYTES, toStorable } from '../../../src/pipeline/run/storable.ts';

const cycle: Record<string, unknown> = {};
cycle.self = cycle;

describe('toStorable', () => {
  it('takes what has a JSON form', () => {
    expect(toStorable({ a: [1, 'x', null], at: new Date(0) })).toEqual({
      ok: true,
      value: { a: [1, 'x', null], at: '1970-01-01T00:00:00.000Z' },
    });
    expect(toStorable(undefined)).toEqual({ ok: true, value: undefined });
  });

  it.each([
    ['a BigInt', 1n],
    ['a cycle', cycle],
    ['a function', () => 1],
    ['more than the limit', 'x'.repeat(RESULT_LIMIT_BYTES)],
    ['17 MB', 'x'.repeat(17 << 20)],
    ['a key with NUL', { 'a\0b': 1 }],
    ['an operator as key', { $set: 1 }],
  ])('refuses %s with a reason', (_, value) => {
    expect(toStorable(value)).toMatchObject({ ok: false, reason: expect.stringMatching(/result/) });
  });

  it('refuses what is nested deeper than BSON nests', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 120; level += 1) deep = { deep };
    expect(toStorable(deep).ok).toBe(false);
  });
});

describe('toHandlerError', () => {
  it.each([
    ['a string', 'just text', 'just text'],
    ['undefined', undefined, 'undefined was thrown'],
    ['a cyclic object', cycle, '[object Object]'],
    ['an error', new TypeError('no'), 'no'],
  ])('reads %s', (_, thrown, message) => {
    expect(toHandlerError(thrown).message).toBe(message);
  });

  it('keeps at most 2 KB of a 5 MB message, in whole characters', () => {
    const error = toHandlerError(new Error('ä'.repeat(5 << 20)));
    const bytes = Buffer.byteLength(`${error.name}${error.message}${error.stack}`);
    expect(bytes).toBeLessThanOrEqual(2_048);
    expect(error.message).toMatch(/^ä+…$/);
  });

  it('survives hostile getters', () => {
    const hostile = new Error('x');
    Object.defineProperty(hostile, 'message', {
      get() {
        throw new Error('no');
      },
    });
    expect(toHandlerError(hostile).message).toMatch(/cannot be read/);
  });

  it('knows a TaskError that may not be retried', () => {
    expect(toHandlerError(new TaskError('no', { retry: false })).retryable).toBe(false);
    expect(toHandlerError(new TaskError('no')).retryable).toBe(true);
  });
});

describe('callHandler', () => {
  const job = defineJob({ type: 'test:add', payload: z.strictObject({ n: z.number() }), run: async ({ n }) => n + 1 });

  it('checks the payload again: foreign inserts did not pass the API', async () => {
    const answer = await callHandler(job, { n: 'x' }, {} as JobContext);
    expect(answer).toMatchObject({ kind: 'threw', error: { name: 'validation-error', retryable: false } });
    expect(await callHandler(job, { n: 1 }, {} as JobContext)).toEqual({ kind: 'returned', value: 2 });
  });
});

describe('supervise', () => {
  const never = new Promise<HandlerAnswer>(() => undefined);
  const untilAborted = (signal: AbortController): Promise<HandlerAnswer> =>
    new Promise(resolve => {
      signal.signal.addEventListener('abort', () =>
        resolve({ kind: 'threw', error: toHandlerError(signal.signal.reason) }),
      );
    });

  it('ends a handler that never ends with a timeout', async () => {
    const signal = new AbortController();
    const execution = supervise({ timeoutMs: 20, signal, answer: never });
    expect(await execution.ended).toEqual({ kind: 'timed-out', afterMs: 20 });
    expect(signal.signal.reason).toMatchObject({ reason: 'timeout' });
  });

  it('counts the time from when the handler begins, not from when its child is started', async () => {
    let begin!: () => void;
    const begun = new Promise<void>(resolve => {
      begin = resolve;
    });
    const signal = new AbortController();
    const execution = supervise({ timeoutMs: 20, signal, answer: never, begun });
    const first = await Promise.race([
      execution.ended.then(() => 'ended'),
      new Promise<string>(resolve => setTimeout(resolve, 100, 'still starting')),
    ]);
    expect(first).toBe('still starting');
    begin();
    expect(await execution.ended).toEqual({ kind: 'timed-out', afterMs: 20 });
  });

  it('decides once: what a timed-out handler answers later is dropped', async () => {
    let answerLate!: (answer: HandlerAnswer) => void;
    const answer = new Promise<HandlerAnswer>(resolve => {
      answerLate = resolve;
    });
    const execution = supervise({ timeoutMs: 10, signal: new AbortController(), answer });
    const end = await execution.ended;
    answerLate({ kind: 'returned', value: 1 });
    await execution.settled;
    expect(await execution.ended).toBe(end);
  });

  it('takes a throw after the drain signal for a stop, not for a failure', async () => {
    const signal = new AbortController();
    const execution = supervise({ timeoutMs: 5_000, signal, answer: untilAborted(signal) });
    execution.abort('drain');
    expect(await execution.ended).toEqual({ kind: 'drained', stopped: true });
  });

  it('says when a drained handler did not stop', async () => {
    const execution = supervise({ timeoutMs: 5_000, signal: new AbortController(), answer: never });
    execution.abort('drain');
    expect(await execution.ended).toEqual({ kind: 'drained', stopped: false });
  });

  it('lets a cancel wait for the handler', async () => {
    const signal = new AbortController();
    const execution = supervise({ timeoutMs: 5_000, signal, answer: untilAborted(signal) });
    execution.abort('cancelled');
    expect(await execution.ended).toMatchObject({ kind: 'threw', cancelled: true });
  });

  it('ends a lost run at once, and kills what it can', async () => {
    let killed = false;
    const kill = () => {
      killed = true;
    };
    const execution = supervise({ timeoutMs: 5_000, signal: new AbortController(), answer: never, kill });
    execution.abort('lost');
    expect(await execution.ended).toEqual({ kind: 'lost' });
    expect(killed).toBe(true);
  });
});
