import { expect, it } from 'vitest';
import { median, percentile } from '../bench/statistics.ts';

it('percentiles are values that occurred', () => {
  expect(percentile([30, 10, 20], 50)).toBe(20);
  expect(median([4, 1, 3, 2])).toBe(3);
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
  expect(percentile(hundred, 99)).toBe(100);
  expect(percentile([...hundred, ...hundred], 99)).toBe(100);
  expect(percentile(hundred.slice(0, 50), 99)).toBe(50);
  expect(percentile(hundred, 100)).toBe(100);
  expect(() => percentile([], 50)).toThrow(RangeError);
});
