export const RETRY_STRATEGIES = ['exponential', 'linear', 'fixed'] as const;
export type RetryStrategy = (typeof RETRY_STRATEGIES)[number];

/** How long a job waits before its next attempt. Times in milliseconds; `jitter` 0–1 is the share of the delay that is random. */
export interface RetryPolicy {
  strategy: RetryStrategy;
  delayMs: number;
  maxDelayMs?: number;
  jitter?: number;
}

/** The longest wait that any policy leads to: a week. */
const LONGEST_DELAY_MS = 7 * 24 * 3_600_000;

/**
 * Delay before retry `k` = 1, 2, 3…: fixed d; linear d·k; exponential d·2^(k-1). Jitter takes away up to its share of the
 * delay, never adds, so that a cap stays a cap.
 */
export function backoffMs(policy: RetryPolicy, retry: number, random: () => number = Math.random): number {
  const k = Math.max(1, retry);
  const factor = policy.strategy === 'fixed' ? 1 : policy.strategy === 'linear' ? k : 2 ** Math.min(k - 1, 40);
  const capped = Math.min(policy.delayMs * factor, policy.maxDelayMs ?? LONGEST_DELAY_MS, LONGEST_DELAY_MS);
  return Math.round(capped * (1 - (policy.jitter ?? 0) * random()));
}
