import { StorageUnavailableError } from './errors.ts';

/**
 * Waits for `work` at most `ms`. The driver's own `timeoutMS`, `socketTimeoutMS` and `wtimeoutMS` did not end a call to a
 * server that was stopped, so LedgerMQ keeps the time itself. The work goes on unseen; its late error is swallowed.
 */
export async function withDeadline<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StorageUnavailableError(`${what} took longer than ${ms} ms`)), ms);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
