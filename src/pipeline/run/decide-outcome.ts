import { backoffMs, type RetryPolicy } from '../../platform/backoff.ts';
import type { JobError } from '../store/job-document.ts';
import type { Outcome } from '../store/run-outcomes.ts';
import type { HandlerEnd } from './run-end.ts';

/** What the decision needs to know of the job, as it was at the start of the run. */
export interface RetryState {
  failures: number;
  crashes: number;
  maxRetries: number;
  retry: RetryPolicy;
  poisonCrashes: number;
}

const UNSTOPPED_DELAY_MS = 2_000;

/** From how a handler ended to what the ledger will say. Pure. A lost run has no outcome: null. */
export function decideOutcome(end: HandlerEnd, state: RetryState, now: Date, random = Math.random): Outcome | null {
  const attempt = state.failures + 1;
  switch (end.kind) {
    case 'returned':
      return { kind: 'completed', result: end.value };
    case 'not-storable':
      return {
        kind: 'failed',
        error: { name: 'result-not-storable', message: end.reason, attempt, retryable: false, at: now },
      };
    case 'threw': {
      const error: JobError = { ...end.error, attempt, at: now };
      return end.cancelled ? { kind: 'cancelled', error } : retryOrFail(error, state, random);
    }
    case 'timed-out': {
      const message = `the handler took longer than ${end.afterMs} ms`;
      return retryOrFail({ name: 'timeout', message, attempt, retryable: true, at: now }, state, random);
    }
    case 'drained':
      return { kind: 'handed-back', delayMs: end.stopped ? 0 : UNSTOPPED_DELAY_MS };
    case 'crashed':
      return crashed(end.detail, attempt, state, now, random);
    case 'lost':
      return null;
  }
}

function retryOrFail(error: JobError, state: RetryState, random: () => number): Outcome {
  const failures = state.failures + 1;
  if (!error.retryable || failures > state.maxRetries) return { kind: 'failed', error };
  return { kind: 'retry', error, delayMs: backoffMs(state.retry, failures, random) };
}

function crashed(detail: string, attempt: number, state: RetryState, now: Date, random: () => number): Outcome {
  const crashes = state.crashes + 1;
  const poisoned = crashes >= state.poisonCrashes;
  const error: JobError = {
    name: poisoned ? 'poison' : 'crash',
    message: poisoned ? `its process died ${crashes} times, last: ${detail}` : `its process died: ${detail}`,
    attempt,
    retryable: !poisoned,
    at: now,
  };
  const policy: RetryPolicy = { ...state.retry, jitter: state.retry.jitter || 0.3 };
  return { kind: 'child-died', error, poisoned, delayMs: backoffMs(policy, crashes, random) };
}
