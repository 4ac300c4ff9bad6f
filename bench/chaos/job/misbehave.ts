import { monotonicMs, pause } from '../monotonic.ts';
import type { Deed, Unstorable } from './chaos-payload.ts';

/** What the process that a handler ended by `process.exit` says. */
export const EXIT_CODE_OF_DEED = 7;
const HOARDED = 1_000_000;
const TOO_LARGE_BYTES = 17 * 2 ** 20;
const NO_ROOM_BYTES = 100_000;

/** Harms the process that it runs in; some of it never returns. */
export async function doDeed(deed: Deed, ms: number): Promise<void> {
  switch (deed) {
    case 'stick':
      return pause(ms);
    case 'block':
      return block(ms);
    case 'exit':
      return process.exit(EXIT_CODE_OF_DEED);
    case 'out-of-memory':
      return fillHeap();
    case 'reject-unhandled':
      void Promise.reject(new Error('a rejection that nobody handles'));
  }
}

function block(ms: number): void {
  const until = monotonicMs() + ms;
  while (monotonicMs() < until);
}

function fillHeap(): never {
  const hoard: unknown[] = [];
  for (;;) hoard.push(Array.from({ length: HOARDED }, () => hoard.length));
}

/** A result that has no JSON form, or is larger than any document of MongoDB. */
export function unstorableResult(kind: Unstorable): unknown {
  if (kind === 'bigint') return { amount: 2n ** 70n };
  if (kind === 'no-room') return { text: 'x'.repeat(NO_ROOM_BYTES) };
  if (kind === 'result-too-large') return { text: 'x'.repeat(TOO_LARGE_BYTES) };
  const cycle: Record<string, unknown> = { name: 'ring' };
  cycle.self = cycle;
  return cycle;
}
