import { expect, it } from 'vitest';
import { trendsSince, type VitalSign } from '../../bench/chaos/oracle/vitals.ts';

const MINUTE_MS = 60_000;

/** A sign every ten seconds, from one minute to another. */
function signs(
  process: string,
  minutes: { from: number; to: number },
  of: (minute: number) => { memoryMb: number; files: number },
): VitalSign[] {
  const count = (minutes.to - minutes.from) * 6 + 1;
  return Array.from({ length: count }, (_, index) => {
    const minute = minutes.from + index / 6;
    return { process, at: minute * MINUTE_MS, ...of(minute) };
  });
}

it('tells how fast memory grows after the warm-up, whatever it did before', () => {
  const found = trendsSince(
    signs('worker1', { from: 0, to: 30 }, minute => ({
      memoryMb: minute < 5 ? minute * 40 : 200 + (minute - 5) * 1.5 + (Math.round(minute * 6) % 2) * 8,
      files: 40,
    })),
    5 * MINUTE_MS,
  );
  expect(found).toHaveLength(1);
  expect(found[0]!.memoryMbPerMinute).toBeCloseTo(1.5, 1);
  expect(found[0]!.moreFiles).toBe(0);
});

it('sees files that are opened and not closed', () => {
  const leaking = signs('api1', { from: 0, to: 30 }, minute => ({ memoryMb: 100, files: 30 + Math.floor(minute) }));
  expect(trendsSince(leaking, 5 * MINUTE_MS)[0]!.moreFiles).toBeGreaterThan(10);
});

it('looks at what was there all the time, and at nothing else', () => {
  const flat = () => ({ memoryMb: 100, files: 30 });
  const all = [
    ...signs('lives', { from: 0, to: 30 }, flat),
    ...signs('was killed', { from: 0, to: 15 }, flat),
    ...signs('came late', { from: 10, to: 30 }, flat),
  ];
  expect(trendsSince(all, 5 * MINUTE_MS).map(trend => trend.process)).toEqual(['lives']);
  expect(trendsSince([], 0)).toEqual([]);
});
