import { describe, expect, it } from 'vitest';
import { backoffMs, type RetryPolicy } from '../../src/platform/backoff.ts';

const delays = (policy: RetryPolicy, retries = [1, 2, 3, 4]) => retries.map(retry => backoffMs(policy, retry));

describe('backoffMs', () => {
  it('is d, d·k, d·2^(k-1)', () => {
    expect(delays({ strategy: 'fixed', delayMs: 1_000 })).toEqual([1_000, 1_000, 1_000, 1_000]);
    expect(delays({ strategy: 'linear', delayMs: 1_000 })).toEqual([1_000, 2_000, 3_000, 4_000]);
    expect(delays({ strategy: 'exponential', delayMs: 1_000 })).toEqual([1_000, 2_000, 4_000, 8_000]);
  });

  it('takes a retry below 1 as the first', () => {
    expect(backoffMs({ strategy: 'exponential', delayMs: 100 }, 0)).toBe(100);
    expect(backoffMs({ strategy: 'linear', delayMs: 100 }, -3)).toBe(100);
  });

  it('keeps the cap, and a week without one, however many retries', () => {
    expect(delays({ strategy: 'exponential', delayMs: 1_000, maxDelayMs: 3_000 })).toEqual([
      1_000, 2_000, 3_000, 3_000,
    ]);
    const week = 7 * 24 * 3_600_000;
    expect(backoffMs({ strategy: 'exponential', delayMs: 1_000 }, 5_000)).toBe(week);
    expect(backoffMs({ strategy: 'fixed', delayMs: 2 * week, maxDelayMs: 3 * week }, 1)).toBe(week);
  });

  it('takes jitter off the capped delay and never adds', () => {
    const policy: RetryPolicy = { strategy: 'exponential', delayMs: 1_000, maxDelayMs: 2_000, jitter: 0.5 };
    expect(backoffMs(policy, 3, () => 0)).toBe(2_000);
    expect(backoffMs(policy, 3, () => 0.5)).toBe(1_500);
    expect(backoffMs(policy, 3, () => 0.999)).toBe(1_001);
    expect(backoffMs({ ...policy, jitter: 1 }, 1, () => 0.25)).toBe(750);
  });
});
