/** Of an even number the upper one of the two in the middle. @throws RangeError when there are no values */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/**
 * The value that `percent` of all are below. Always one that occurred, never something between two: the p99 of 50 values is
 * the largest. @throws RangeError when there are no values
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))];
  if (value === undefined) throw new RangeError('no values');
  return value;
}
