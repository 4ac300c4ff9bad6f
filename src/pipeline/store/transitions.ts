import type { JobStatus } from './job-document.ts';

export type TransitionId =
  | 'T0'
  | 'T1'
  | 'T2'
  | 'T3'
  | 'T3u'
  | 'T4s'
  | 'T5'
  | 'T5s'
  | 'T6'
  | 'T7'
  | 'T8'
  | 'T9'
  | 'T10'
  | 'T11'
  | 'S1'
  | 'S2'
  | 'U1'
  | 'U2'
  | 'U3'
  | 'U4'
  | 'U5';

type Actor = 'api' | 'loader' | 'runner' | 'worker' | 'recorder' | 'sweeper';

/** Write concerns by name: what a write must have reached before it counts. */
export type Concern = 'majority-journaled' | 'majority' | 'one';

export interface Transition {
  /** Status before; `null` = the job did not exist. */
  from: readonly (JobStatus | null)[];
  /** Status after; `null` = the job is gone. */
  to: readonly (JobStatus | null)[];
  by: Actor;
  /** Fields beside `_id` and `status` that the conditional write filters on. */
  fence: readonly string[];
  concern: Concern;
  meaning: string;
}

/**
 * The transition table: every change of status that LedgerMQ makes, each ONE conditional write. The writes themselves stand
 * in this folder and name their transition in the history entry that they push; docs/job-lifecycle.md shows the same table.
 */
export const TRANSITIONS: Readonly<Record<TransitionId, Transition>> = {
  T0: { from: [null], to: ['pending'], by: 'api', fence: [], concern: 'majority-journaled', meaning: 'submit' },
  T1: {
    from: ['pending'],
    to: ['queued'],
    by: 'loader',
    fence: ['runAt'],
    concern: 'one',
    meaning: 'claim of a due batch',
  },
  T2: {
    from: ['queued'],
    to: ['pending'],
    by: 'loader',
    fence: ['token'],
    concern: 'one',
    meaning: 'given back: the engine certainly did not take it',
  },
  T3: {
    from: ['queued'],
    to: ['processing'],
    by: 'runner',
    fence: ['token'],
    concern: 'majority',
    meaning: 'start gate: this run begins',
  },
  T3u: {
    from: ['queued'],
    to: ['pending'],
    by: 'runner',
    fence: ['token'],
    concern: 'one',
    meaning: 'not started here: lane paused, type unknown, or draining',
  },
  T4s: {
    from: ['pending'],
    to: ['processing'],
    by: 'worker',
    fence: ['runKey'],
    concern: 'one',
    meaning: 'given up too early: the run goes on',
  },
  T5: {
    from: ['processing'],
    to: ['completed'],
    by: 'recorder',
    fence: ['runKey'],
    concern: 'majority-journaled',
    meaning: 'success',
  },
  T5s: {
    from: ['pending'],
    to: ['completed'],
    by: 'recorder',
    fence: ['runKey'],
    concern: 'majority-journaled',
    meaning: 'late success of a run that was given up too early',
  },
  T6: {
    from: ['processing'],
    to: ['pending'],
    by: 'recorder',
    fence: ['runKey', 'cancelRequestedAt'],
    concern: 'majority',
    meaning: 'failure, another attempt follows',
  },
  T7: {
    from: ['processing'],
    to: ['failed'],
    by: 'recorder',
    fence: ['runKey', 'cancelRequestedAt'],
    concern: 'majority',
    meaning: 'failure, no attempt is left',
  },
  T8: {
    from: ['processing'],
    to: ['cancelled'],
    by: 'recorder',
    fence: ['runKey', 'cancelRequestedAt'],
    concern: 'majority',
    meaning: 'the run ended after a cancel request',
  },
  T9: {
    from: ['processing'],
    to: ['pending'],
    by: 'worker',
    fence: ['runKey', 'cancelRequestedAt'],
    concern: 'one',
    meaning: 'handed back: drain deadline, or no child can start for a suspect now',
  },
  T10: {
    from: ['processing'],
    to: ['pending', 'failed'],
    by: 'worker',
    fence: ['runKey', 'cancelRequestedAt'],
    concern: 'majority',
    meaning: 'the child of an isolated run died',
  },
  T11: {
    from: ['pending', 'queued'],
    to: ['failed'],
    by: 'sweeper',
    fence: ['startBy'],
    concern: 'majority',
    meaning: 'not started in time',
  },
  S1: {
    from: ['queued'],
    to: ['pending'],
    by: 'sweeper',
    fence: ['token', 'beatAt'],
    concern: 'one',
    meaning: 'claimed, but the engine does not have it',
  },
  S2: {
    from: ['processing'],
    to: ['pending', 'failed', 'cancelled'],
    by: 'sweeper',
    fence: ['runKey', 'beatAt', 'suspectAt', 'cancelRequestedAt'],
    concern: 'majority',
    meaning: 'the worker of the run vanished',
  },
  U1: {
    from: ['pending', 'queued'],
    to: ['cancelled'],
    by: 'api',
    fence: ['tenant', 'runSeq'],
    concern: 'majority',
    meaning: 'cancel before the start',
  },
  U2: {
    from: ['processing'],
    to: ['processing'],
    by: 'api',
    fence: ['tenant', 'runSeq'],
    concern: 'majority',
    meaning: 'cancel requested of a run',
  },
  U3: {
    from: ['failed', 'cancelled'],
    to: ['pending'],
    by: 'api',
    fence: ['tenant', 'runSeq'],
    concern: 'majority',
    meaning: 'redrive: a new life',
  },
  U4: {
    from: ['pending'],
    to: ['pending'],
    by: 'api',
    fence: ['tenant'],
    concern: 'one',
    meaning: 'reschedule, promote, priority',
  },
  U5: {
    from: ['pending', 'queued', 'completed', 'failed', 'cancelled'],
    to: [null],
    by: 'api',
    fence: ['tenant'],
    concern: 'majority',
    meaning: 'delete',
  },
};

/** Whether the table knows this change of status under this id. */
export function isAllowed(id: string, from: JobStatus | null, to: JobStatus | null): boolean {
  if (!Object.hasOwn(TRANSITIONS, id)) return false;
  const transition = TRANSITIONS[id as TransitionId];
  return transition.from.includes(from) && transition.to.includes(to);
}
