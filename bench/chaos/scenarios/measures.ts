import type { Measure } from './scenario.ts';

export function atMost(name: string, found: number, most: number, unit = ''): Measure {
  return { name, value: withUnit(found, unit), target: `≤ ${withUnit(most, unit)}`, met: found <= most };
}

export function atLeast(name: string, found: number, least: number, unit = ''): Measure {
  return { name, value: withUnit(found, unit), target: `≥ ${withUnit(least, unit)}`, met: found >= least };
}

export function exactly(name: string, found: number, wanted: number): Measure {
  return { name, value: withUnit(found, ''), target: `${wanted}`, met: found === wanted };
}

/** Must be empty; else it says what there is. */
export function nothingIn(name: string, found: readonly string[]): Measure {
  return { name, value: found.length === 0 ? '0' : found.join('; '), target: '0', met: found.length === 0 };
}

/** A figure that nothing is asked of. */
export function told(name: string, found: number | string, unit = ''): Measure {
  return { name, value: typeof found === 'string' ? found : withUnit(found, unit), target: '', met: true };
}

function withUnit(value: number, unit: string): string {
  const text = Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
  return unit === '' ? text : `${text} ${unit}`;
}
