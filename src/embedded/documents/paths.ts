import { Doc, type Value } from './value.ts';

const known = new Map<string, string[]>();

/** The parts of a dotted path. The same few paths come again and again, so their splits are kept. */
export function splitPath(path: string): string[] {
  let parts = known.get(path);
  if (!parts) {
    // A copy: a path can be a slice of the whole message that it came in.
    const own = Buffer.from(path).toString();
    parts = own.split('.');
    if (known.size < 10_000) known.set(own, parts);
  }
  return parts;
}

export const isIndex = (part: string): boolean => /^(0|[1-9]\d*)$/.test(part);

type Leaf = (value: Value | undefined) => boolean;

/**
 * Calls `leaf` for every value a path can mean (arrays on the way fan out; a missing end is undefined) until one call
 * returns true.
 */
export function visit(value: Value | undefined, parts: string[], leaf: Leaf, at = 0): boolean {
  const part = parts[at];
  if (part === undefined) return leaf(value);
  if (value instanceof Doc) return visit(value.get(part), parts, leaf, at + 1);
  if (!Array.isArray(value)) return leaf(undefined);
  const item = isIndex(part) ? value[Number(part)] : undefined;
  const leads = at + 1 === parts.length ? item !== undefined : item instanceof Doc || Array.isArray(item);
  if (leads && visit(item, parts, leaf, at + 1)) return true;
  return value.some(element => element instanceof Doc && visit(element, parts, leaf, at));
}
