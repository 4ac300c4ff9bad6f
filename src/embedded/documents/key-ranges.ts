import type { IndexField } from './index-keys.ts';
import { firstFrom } from './sorted-keys.ts';
import { complement, componentEnd, keyOf } from './value-keys.ts';

/** Keys of one index field from `from` up to, not including, `to`. */
export interface Range {
  readonly from: string;
  readonly to: string;
}

/** Sorts behind every key that begins with what stands before it: no component begins with this byte. */
export const AFTER = '\xff';
export const point = (key: string): Range => ({ from: key, to: key + AFTER });
export const isPoint = ({ from, to }: Range): boolean => to === from + AFTER;
export const ALL: Range = { from: '\0', to: AFTER };
export const NULL = point(keyOf(null));
export const covers = (outer: Range, inner: Range) => outer.from <= inner.from && inner.to <= outer.to;

export const intersect = (some: Range[], others: Range[]): Range[] =>
  some.flatMap(a =>
    others.flatMap(b => {
      const [from, to] = [a.from > b.from ? a.from : b.from, a.to < b.to ? a.to : b.to];
      return from < to ? [{ from, to }] : [];
    }),
  );

/** Ranges of ascending keys as those of descending keys. */
export const mirrored = (ranges: Range[]): Range[] =>
  ranges.map(({ from, to }) => ({ from: mirror(to), to: mirror(from) })).reverse();

/** A lone byte stands for all values of a type. */
function mirror(bound: string): string {
  if (bound === ALL.from) return AFTER;
  const key = bound.slice(0, componentEnd(bound, 0, false));
  if (bound.length === 1 && bound !== NULL.from) return String.fromCharCode(256 - bound.charCodeAt(0));
  return key === bound ? complement(key) + AFTER : complement(key);
}

/** What a walk through the keys of an index is bounded by: ranges for each field, undefined = not bounded. */
export class Bounds {
  readonly #fields: readonly IndexField[];
  readonly #ranges: (Range[] | undefined)[];
  readonly #last: number;
  /** All components but the last of the key that passed last: most keys begin as the one before. */
  #passed = '';

  constructor(fields: readonly IndexField[], ranges: (Range[] | undefined)[]) {
    this.#fields = fields;
    this.#ranges = ranges;
    this.#last = ranges.findLastIndex(field => field !== undefined);
  }

  /** Where to begin; undefined = no key can be within. */
  get first(): string | undefined {
    return this.#ranges.some(field => field?.length === 0) ? undefined : this.#firstFrom(0);
  }

  #firstFrom(field: number): string {
    let key = '';
    for (let i = field; this.#ranges[i]; i++) key += this.#ranges[i]?.[0]?.from ?? '';
    return key;
  }

  /**
   * undefined = the key is within the bounds; else where the next possible key is, component by component (AFTER = nowhere).
   * So a bound behind an unbound field skips from value to value of that field, as mongod does, and does not walk all in
   * between.
   */
  jumpFrom(key: string): string | undefined {
    const isKnown = this.#passed !== '' && key.startsWith(this.#passed);
    let at = isKnown ? this.#passed.length : 0;
    for (let i = isKnown ? this.#last : 0; i <= this.#last; i++) {
      if (i === this.#last && !isKnown) this.#passed = key.slice(0, at);
      const to = componentEnd(key, at, this.#fields[i]?.descending === true);
      const ranges = this.#ranges[i];
      if (ranges) {
        const component = key.slice(at, to);
        // The first range that does not end before the component.
        const range = ranges[firstFrom(0, ranges.length, n => (ranges[n] as Range).to > component)];
        const prefix = key.slice(0, at);
        if (!range) return prefix + AFTER;
        if (component < range.from) return prefix + range.from + this.#firstFrom(i + 1);
      }
      at = to;
    }
    return undefined;
  }
}
