import { median } from '../../statistics.ts';

/** What a process held at a moment. */
export interface VitalSign {
  process: string;
  at: number;
  /** Resident memory. */
  memoryMb: number;
  /** Open file descriptors. */
  files: number;
}

export interface Trend {
  process: string;
  samples: number;
  memoryMb: number;
  /** Of the straight line that fits best. */
  memoryMbPerMinute: number;
  /** Median of the last third less that of the first. */
  moreFiles: number;
}

const FEWEST = 6;

/** The trends of processes that were there all the time from `since` on. Pure. */
export function trendsSince(signs: readonly VitalSign[], since: number): Trend[] {
  const last = signs.reduce((latest, { at }) => Math.max(latest, at), 0);
  return [...new Set(signs.map(sign => sign.process))].flatMap(process => {
    const all = signs.filter(sign => sign.process === process);
    const late = all.filter(sign => sign.at >= since);
    const livedThrough = (all[0]?.at ?? last) <= since && last - (late.at(-1)?.at ?? 0) < (last - since) / 10;
    return livedThrough && late.length >= FEWEST ? [trendOf(process, late)] : [];
  });
}

function trendOf(process: string, signs: readonly VitalSign[]): Trend {
  const third = Math.floor(signs.length / 3);
  const files = signs.map(sign => sign.files);
  return {
    process,
    samples: signs.length,
    memoryMb: signs.at(-1)!.memoryMb,
    memoryMbPerMinute: slope(signs.map(sign => [sign.at / 60_000, sign.memoryMb])),
    moreFiles: median(files.slice(-third)) - median(files.slice(0, third)),
  };
}

/** Least squares. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (index: 0 | 1) => points.reduce((sum, point) => sum + point[index], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const across = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return across / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
