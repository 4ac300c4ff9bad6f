import type { HandlerError } from './handler-error.ts';

/**
 * How a handler came to its end. `stopped` says whether it honoured the drain; one that ignores its signal goes on unseen.
 * `crashed`: the child process of an isolated run died under it.
 */
export type HandlerEnd =
  | { kind: 'returned'; value: unknown }
  | { kind: 'not-storable'; reason: string }
  | { kind: 'threw'; error: HandlerError; cancelled: boolean }
  | { kind: 'timed-out'; afterMs: number }
  | { kind: 'lost' }
  | { kind: 'drained'; stopped: boolean }
  | { kind: 'crashed'; detail: string };
