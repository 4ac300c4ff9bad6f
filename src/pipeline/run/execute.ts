import type { JobDefinition } from '../../jobs/define-job.ts';
import type { JobContext } from '../../jobs/job-context.ts';
import { type AbortReason, RunAborted } from './abort-reason.ts';
import { type HandlerError, toHandlerError } from './handler-error.ts';
import type { HandlerEnd } from './run-end.ts';
import { toStorable } from './storable.ts';

/** A handler at work. `abort` asks it to stop; `ended` says how it ended, once; `settled` when it really stopped. */
export interface Execution {
  ended: Promise<HandlerEnd>;
  settled: Promise<void>;
  abort(reason: AbortReason): void;
}

/** What a handler answered before any abort was considered. */
export type HandlerAnswer =
  | { kind: 'returned'; value: unknown }
  | { kind: 'not-storable'; reason: string }
  | { kind: 'threw'; error: HandlerError }
  | { kind: 'crashed'; detail: string };

/** How long a drained handler gets to honour its signal before it counts as not stopped. */
const DRAIN_STOP_MS = 500;

/** Runs the handler and never throws. The definition checks the payload once more: foreign inserts did not pass the API. */
export async function callHandler(
  definition: JobDefinition,
  payload: unknown,
  ctx: JobContext,
): Promise<HandlerAnswer> {
  let result: unknown;
  try {
    result = await definition.run(payload, ctx);
  } catch (error) {
    return { kind: 'threw', error: toHandlerError(error) };
  }
  const storable = toStorable(result);
  return storable.ok ? { kind: 'returned', value: storable.value } : { kind: 'not-storable', reason: storable.reason };
}

/**
 * Puts the limits around a handler: its timeout, and the aborts that the worker may ask for. The first of answer, timeout,
 * loss and drain decides; what comes later is dropped. A cancel only asks: a success after it stays a success.
 */
export function supervise(options: {
  timeoutMs: number;
  signal: AbortController;
  answer: Promise<HandlerAnswer>;
  /** Resolves when the handler begins, and its time with it: the start of a child is not the job's. Without it: now. */
  begun?: Promise<void>;
  /** Ends what cannot be asked (the child of an isolated run). */
  kill?: () => void;
}): Execution {
  const { signal, timeoutMs, answer } = options;
  let asked: AbortReason | null = null;
  let isSettled = false;
  let decide!: (end: HandlerEnd) => void;
  const ended = new Promise<HandlerEnd>(resolve => {
    decide = resolve;
  });
  const abort = (reason: AbortReason): void => {
    asked = reason;
    signal.abort(new RunAborted(reason));
    // A cancel waits for the handler, or for its timeout; everything else decides here and now.
    if (reason === 'cancelled') return;
    options.kill?.();
    if (reason === 'timeout') decide({ kind: 'timed-out', afterMs: timeoutMs });
    else if (reason === 'lost') decide({ kind: 'lost' });
    else setTimeout(() => decide({ kind: 'drained', stopped: isSettled }), DRAIN_STOP_MS);
  };
  let timer: NodeJS.Timeout | undefined;
  const startClock = (): void => {
    if (!isSettled && asked !== 'lost') timer = setTimeout(() => abort('timeout'), timeoutMs);
  };
  if (options.begun) void options.begun.then(startClock);
  else startClock();
  const settled = answer.then(given => {
    isSettled = true;
    clearTimeout(timer);
    if (given.kind === 'returned' || given.kind === 'not-storable') decide(given);
    // What an abort made the handler throw is no failure of its own.
    else if (asked === 'drain') decide({ kind: 'drained', stopped: true });
    else if (given.kind === 'threw') decide({ ...given, cancelled: asked === 'cancelled' });
    else decide(given);
  });
  return { ended, settled, abort };
}
