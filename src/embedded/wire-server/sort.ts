import { MinKey } from 'bson';
import { fail } from './errors.ts';
import { isIndex, splitPath } from './paths.ts';
import { asNumber, Doc, type Value } from './value.ts';
import { compare } from './value-order.ts';

interface SortField {
  readonly path: string;
  readonly direction: 1 | -1;
}

export interface Sort {
  readonly fields: SortField[];
  /** The values a document is sorted by, so that they are fetched once and not at every comparison. */
  values(doc: Doc): Value[];
  compareValues(a: Value[], b: Value[]): number;
}

export function compileSort(sort: Doc): Sort {
  const fields = sort.fields.map(({ name, value }): SortField => {
    const direction = asNumber(value);
    if (value instanceof Doc && value.has('$meta'))
      return fail(115, 'sorting by $meta is not supported by this server');
    if (direction !== 1 && direction !== -1)
      return fail(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
    if (name === '' || name.startsWith('$')) return fail(16410, `Field path in $sort may not start with '$': ${name}`);
    return { path: name, direction };
  });
  const values = (doc: Doc) => fields.map(field => sortValue(doc, field));
  const compareValues = (a: Value[], b: Value[]): number => {
    for (let i = 0; i < fields.length; i++) {
      const difference = compare(a[i] as Value, b[i] as Value);
      if (difference) return difference * (fields[i] as SortField).direction;
    }
    return 0;
  };
  return { fields, values, compareValues };
}

/** What an empty array counts as: less than null. */
const EMPTY = new MinKey();

/**
 * An array sorts by its least element ascending and by its greatest descending. As in an index, an element that is no
 * document has null at every path into it.
 */
function sortValue(doc: Doc, { path, direction }: SortField): Value {
  const parts = splitPath(path);
  let best: Value | undefined;
  const offer = (value: Value) => {
    if (best === undefined || compare(value, best) * direction < 0) best = value;
  };
  const walk = (value: Value | undefined, at: number): void => {
    const part = parts[at];
    if (!Array.isArray(value)) {
      if (part === undefined) offer(value ?? null);
      else walk(value instanceof Doc ? value.get(part) : undefined, at + 1);
    } else if (part === undefined) {
      if (value.length === 0) offer(EMPTY);
      else value.forEach(offer);
    } else if (isIndex(part)) walk(value[Number(part)], at + 1);
    else for (const item of value) walk(item instanceof Doc ? item : undefined, at);
  };
  walk(doc, 0);
  return best ?? null;
}

/** The first `kept` of the items in order; stable. */
export function best<T extends { values: Value[] }>(items: T[], sort: Sort, kept: number): T[] {
  items.sort((a, b) => sort.compareValues(a.values, b.values));
  return items.length > kept ? items.slice(0, kept) : items;
}
