import { fail } from './errors.ts';
import { splitPath, visit } from './paths.ts';
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

/** An array sorts by its least element ascending and by its greatest descending; an empty one before null. */
function sortValue(doc: Doc, { path, direction }: SortField): Value {
  let best: Value | undefined;
  const offer = (value: Value) => {
    if (best === undefined || compare(value, best) * direction < 0) best = value;
  };
  visit(doc, splitPath(path), 0, value => {
    if (Array.isArray(value) && value.length > 0) value.forEach(offer);
    else offer(value ?? null);
    return false;
  });
  return best ?? null;
}

/** The first `kept` of the items in order; stable. */
export function best<T extends { values: Value[] }>(items: T[], sort: Sort, kept: number): T[] {
  items.sort((a, b) => sort.compareValues(a.values, b.values));
  return items.length > kept ? items.slice(0, kept) : items;
}
