import { MinKey } from 'bson';
import { fail, unsupported } from './errors.ts';
import { isIndex, splitPath } from './paths.ts';
import { asNumber, Doc, type Value } from './value.ts';
import { keyOfAll } from './value-keys.ts';

export interface IndexField {
  readonly path: string;
  readonly parts: string[];
  readonly descending: boolean;
  /** Some document has had an array on this path. */
  multikey: boolean;
}

export const indexFields = (key: Doc): IndexField[] =>
  key.fields.map(({ name, value }) => ({
    path: name,
    parts: splitPath(name),
    descending: (asNumber(value) ?? 1) < 0,
    multikey: false,
  }));

export interface Sort {
  readonly fields: IndexField[];
  /** A string whose `<` is the order wanted. */
  key(doc: Doc): string;
}

/** A document sorts by its least key in an index of the same order: arrays count by their least or greatest element. */
export function compileSort(sort: Doc): Sort {
  for (const { name, value } of sort.fields) {
    if (value instanceof Doc && value.has('$meta')) unsupported('sorting by $meta');
    if (name === '' || name.startsWith('$')) fail(16410, `Field path in $sort may not start with '$': ${name}`);
    if (Math.abs(asNumber(value) ?? 0) !== 1)
      fail(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
  }
  const fields = indexFields(sort);
  const least = ({ keys }: { keys: string[] }) => keys.reduce((best, key) => (key < best ? key : best));
  return { fields, key: doc => fields.map(field => least(keysOf(doc, [field], ''))).join('') };
}

/** What one field of an index has come to in one document: a value, and how much of the path is walked. */
interface Walk {
  readonly value: Value | undefined;
  readonly at: number;
}

/** What an empty array counts as: less than null. */
const EMPTY = new MinKey();

/** The keys of one document, each closed by `suffix` (the record), and whether every indexed field is missing. */
export function keysOf(doc: Doc, fields: IndexField[], suffix: string): { keys: string[]; missing: boolean } {
  const walks: Walk[] = [];
  let [missing, plain] = [true, true];
  for (const { parts } of fields) {
    const walk = advance(parts, doc, 0);
    walks.push(walk);
    if (walk.value !== undefined) missing = false;
    if (Array.isArray(walk.value)) plain = false;
  }
  if (plain) return { keys: [keyOfAll(walks, fields, suffix)], missing };
  const keys = new Set<string>();
  expand(fields, walks, suffix, keys);
  return { keys: [...keys], missing };
}

/** Walks through documents until an array, a missing field or the end of the path. */
function advance(parts: string[], start: Value | undefined, from: number): Walk {
  let value = start;
  let at = from;
  while (at < parts.length && !Array.isArray(value)) {
    value = value instanceof Doc ? value.get(parts[at] as string) : undefined;
    at++;
  }
  return { value, at };
}

/** Opens one array: all fields that came to the same one are opened together, element by element. */
function expand(fields: IndexField[], walks: Walk[], suffix: string, keys: Set<string>): void {
  const which = walks.findIndex(walk => Array.isArray(walk.value));
  const { value: array, at: depth } = walks[which] ?? {};
  const together = (walk: Walk) => walk.value === array && walk.at === depth;
  if (!Array.isArray(array)) {
    keys.add(keyOfAll(walks, fields, suffix));
    return;
  }
  walks.forEach((walk, i) => {
    const field = fields[i] as IndexField;
    if (together(walk)) field.multikey = true;
    else if (Array.isArray(walk.value))
      fail(171, `cannot index parallel arrays [${field.path}] [${fields[which]?.path}]`);
  });
  for (const element of array.length ? array : [undefined]) {
    const next = walks.map((walk, i) =>
      together(walk) ? intoElement((fields[i] as IndexField).parts, walk.at, array, element) : walk,
    );
    // An array within an array is a key as it is.
    const nested = (walk: Walk, i: number) =>
      together(walks[i] as Walk) && Array.isArray(walk.value) && walk.at === fields[i]?.parts.length;
    if (next.some(nested)) keys.add(keyOfAll(next, fields, suffix));
    else expand(fields, next, suffix, keys);
  }
}

function intoElement(parts: string[], at: number, array: Value[], element: Value | undefined): Walk {
  const part = parts[at];
  if (part === undefined) return { value: array.length ? element : EMPTY, at };
  if (isIndex(part)) return advance(parts, array[Number(part)] ?? null, at + 1);
  return element instanceof Doc ? advance(parts, element, at) : { value: undefined, at: parts.length };
}
