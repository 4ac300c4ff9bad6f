import { fail } from './errors.ts';
import { isIndex, splitPath } from './paths.ts';
import { asNumber, Doc, type Value } from './value.ts';
import { addToKey, appendToKey, beginKey, finishKey } from './value-order.ts';

export interface IndexField {
  readonly path: string;
  readonly parts: string[];
  readonly descending: boolean;
  /** Some document has had an array on this path. */
  multikey: boolean;
}

/** What one field of an index has come to in one document: a value, and the parts of the path not yet walked. */
interface Walk {
  readonly value: Value | undefined;
  readonly at: number;
}

/** The keys of one document, each closed by `suffix` (the record), and whether every indexed field is missing. */
export function keysOf(doc: Doc, fields: IndexField[], suffix: string): { keys: string[]; missing: boolean } {
  const walks: Walk[] = [];
  let arrays = false;
  let missing = true;
  for (let i = 0; i < fields.length; i++) {
    const walk = advance((fields[i] as IndexField).parts, doc, 0);
    if (Array.isArray(walk.value)) arrays = true;
    if (walk.value !== undefined) missing = false;
    walks.push(walk);
  }
  if (!arrays)
    return {
      keys: [
        keyOfValues(
          fields,
          walks.map(walk => walk.value),
          suffix,
        ),
      ],
      missing,
    };
  const keys = new Set<string>();
  expand(fields, walks, suffix, keys);
  return { keys: [...keys], missing: false };
}

function keyOfValues(fields: IndexField[], values: (Value | undefined)[], suffix: string): string {
  beginKey();
  for (let i = 0; i < fields.length; i++) addToKey(values[i] ?? null, (fields[i] as IndexField).descending);
  appendToKey(suffix);
  return finishKey();
}

/** Walks through documents until an array, a missing field or the end of the path. */
function advance(parts: string[], start: Value, from: number): Walk {
  let value: Value | undefined = start;
  let at = from;
  while (at < parts.length) {
    if (Array.isArray(value)) return { value, at };
    if (!(value instanceof Doc)) return { value: undefined, at: parts.length };
    value = value.get(parts[at++] as string);
  }
  return { value, at };
}

/** Opens one array: all fields that came to the same one are opened together, element by element. */
function expand(fields: IndexField[], walks: Walk[], suffix: string, keys: Set<string>): void {
  const which = walks.findIndex(walk => Array.isArray(walk.value));
  if (which < 0) {
    keys.add(
      keyOfValues(
        fields,
        walks.map(walk => walk.value),
        suffix,
      ),
    );
    return;
  }
  const array = (walks[which] as Walk).value as Value[];
  const depth = (walks[which] as Walk).at;
  const together = walks.map(walk => walk.value === array && walk.at === depth);
  walks.forEach((walk, i) => {
    if (Array.isArray(walk.value) && !together[i])
      fail(171, `cannot index parallel arrays [${fields[i]?.path}] [${fields[which]?.path}]`);
    if (together[i]) (fields[i] as IndexField).multikey = true;
  });
  const elements: (Value | undefined)[] = array.length ? array : [undefined];
  for (const element of elements) {
    const next = walks.map((walk, i) =>
      together[i] ? intoElement((fields[i] as IndexField).parts, walk, array, element) : walk,
    );
    if (
      next.some(
        (walk, i) => together[i] && Array.isArray(walk.value) && walk.at === (fields[i] as IndexField).parts.length,
      )
    ) {
      // An array within an array is a key as it is.
      keys.add(
        keyOfValues(
          fields,
          next.map(walk => walk.value),
          suffix,
        ),
      );
    } else expand(fields, next, suffix, keys);
  }
}

function intoElement(parts: string[], walk: Walk, array: Value[], element: Value | undefined): Walk {
  if (walk.at === parts.length) return { value: element, at: walk.at };
  const part = parts[walk.at] as string;
  if (isIndex(part)) return advance(parts, array[Number(part)] ?? null, walk.at + 1);
  return element instanceof Doc ? advance(parts, element, walk.at) : { value: undefined, at: parts.length };
}

export function indexFields(key: Doc): IndexField[] {
  return key.fields.map(({ name, value }) => ({
    path: name,
    parts: splitPath(name),
    descending: (asNumber(value) ?? 1) < 0,
    multikey: false,
  }));
}
