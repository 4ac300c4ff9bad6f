import { setTimeout } from 'node:timers/promises';
import { backoffMs, type RetryPolicy } from './backoff.ts';

const PAUSES: RetryPolicy = { strategy: 'exponential', delayMs: 50, maxDelayMs: 1_000 };

/** Repeats a write until it succeeds, after pauses of 50 ms to 1 s, however long its server is away; tells each fault. */
export async function untilWritten<T>(write: () => Promise<T>, onFault: (error: unknown) => void): Promise<T> {
  for (let retry = 1; ; retry += 1) {
    try {
      return await write();
    } catch (error) {
      onFault(error);
      await setTimeout(backoffMs(PAUSES, retry));
    }
  }
}
