import { describe, expect, it } from 'vitest';
import { decideOutcome, type RetryState } from '../../../src/pipeline/run/decide-outcome.ts';

const now = new Date('2026-01-01T00:00:00Z');
const state = (over: Partial<RetryState> = {}): RetryState => ({
  failures: 0,
  crashes: 0,
  maxRetries: 3,
  retry: { strategy: 'exponential', delayMs: 1_000 },
  poisonCrashes: 3,
  ...over,
});
const threw = (retryable = true) =>
  ({ kind: 'threw', cancelled: false, error: { name: 'Error', message: 'no', retryable } }) as const;

describe('decideOutcome', () => {
  it('retries after 1, 2 and 4 s, then fails with the fourth failure', () => {
    const outcomes = [0, 1, 2, 3].map(failures => decideOutcome(threw(), state({ failures }), now));
    expect(outcomes.map(outcome => outcome?.kind)).toEqual(['retry', 'retry', 'retry', 'failed']);
    expect(outcomes.slice(0, 3).map(outcome => outcome?.kind === 'retry' && outcome.delayMs)).toEqual([
      1_000, 2_000, 4_000,
    ]);
    expect(outcomes[3]).toMatchObject({ error: { attempt: 4 } });
  });

  it('fails at once what may not be retried', () => {
    expect(decideOutcome(threw(false), state(), now)).toMatchObject({ kind: 'failed', error: { retryable: false } });
  });

  it('takes a timeout for a failure', () => {
    const outcome = decideOutcome({ kind: 'timed-out', afterMs: 50 }, state(), now);
    expect(outcome).toMatchObject({ kind: 'retry', error: { name: 'timeout', attempt: 1 } });
  });

  it('makes a throw after a cancel a cancel, and a success after it a success', () => {
    expect(decideOutcome({ ...threw(), cancelled: true }, state(), now)?.kind).toBe('cancelled');
    expect(decideOutcome({ kind: 'returned', value: 1 }, state(), now)).toEqual({ kind: 'completed', result: 1 });
  });

  it('hands a drained run back: at once when it stopped, later when it did not', () => {
    expect(decideOutcome({ kind: 'drained', stopped: true }, state(), now)).toEqual({
      kind: 'handed-back',
      delayMs: 0,
    });
    expect(decideOutcome({ kind: 'drained', stopped: false }, state(), now)).toEqual({
      kind: 'handed-back',
      delayMs: 2_000,
    });
  });

  it('counts the death of a child as a crash, and the third as poison', () => {
    const end = { kind: 'crashed', detail: 'exit code 1' } as const;
    expect(decideOutcome(end, state({ crashes: 1 }), now)).toMatchObject({ kind: 'child-died', poisoned: false });
    expect(decideOutcome(end, state({ crashes: 2 }), now)).toMatchObject({ poisoned: true, error: { name: 'poison' } });
  });

  it('has no outcome for a lost run', () => {
    expect(decideOutcome({ kind: 'lost' }, state(), now)).toBeNull();
  });
});
