import { Doc, type Value } from './value.ts';

const known = new Map<string, string[]>();

/** The parts of a dotted path. The same few paths come again and again, so their splits are kept. */
export function splitPath(path: string): string[] {
  let parts = known.get(path);
  if (!parts) {
    parts = path.split('.');
    if (known.size < 10_000) known.set(path, parts);
  }
  return parts;
}

export const isIndex = (part: string): boolean => /^(0|[1-9]\d*)$/.test(part);

/** The index within the outermost array that the last successful visit went through; what `$` in an update stands for. */
export const matched: { index: number | undefined } = { index: undefined };

/**
 * Calls `leaf` for every value a path can mean in a document (arrays on the way fan out; a missing end is undefined)
 * until one call returns true.
 */
export function visit(doc: Doc, parts: string[], at: number, leaf: (value: Value | undefined) => boolean): boolean {
  const value = doc.get(parts[at] as string);
  if (at === parts.length - 1) return leaf(value);
  if (value instanceof Doc) return visit(value, parts, at + 1, leaf);
  if (Array.isArray(value)) return visitArray(value, parts, at + 1, leaf);
  return leaf(undefined);
}

function visitArray(
  values: Value[],
  parts: string[],
  at: number,
  leaf: (value: Value | undefined) => boolean,
): boolean {
  const part = parts[at] as string;
  if (isIndex(part)) {
    const value = values[Number(part)];
    if (at === parts.length - 1) {
      if (value !== undefined && leaf(value)) return true;
    } else if (
      value instanceof Doc
        ? visit(value, parts, at + 1, leaf)
        : Array.isArray(value) && visitArray(value, parts, at + 1, leaf)
    ) {
      return true;
    }
  }
  for (let i = 0; i < values.length; i++) {
    const item = values[i];
    if (item instanceof Doc && visit(item, parts, at, leaf)) {
      matched.index = i;
      return true;
    }
  }
  return false;
}

/** All values at a path, arrays on the way and at its end opened: what `distinct` lists. */
export function valuesAt(doc: Doc, path: string): Value[] {
  const found: Value[] = [];
  visit(doc, splitPath(path), 0, value => {
    if (Array.isArray(value)) found.push(...value);
    else if (value !== undefined) found.push(value);
    return false;
  });
  return found;
}
