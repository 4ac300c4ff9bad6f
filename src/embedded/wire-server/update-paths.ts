import { toBytes } from './codec.ts';
import { fail } from './errors.ts';
import type { Node } from './match.ts';
import { isIndex, splitPath } from './paths.ts';
import { Doc, show, type Value } from './value.ts';

/** Computes the new value at a path from the old one (undefined = missing); undefined = remove, KEEP = leave alone. */
export type Change = (old: Value | undefined, context: UpdateContext) => Value | undefined | typeof KEEP;

export const KEEP = Symbol('keep');

export interface UpdateContext {
  readonly now: Date;
  readonly inserting: boolean;
  /** What `$` means for this document. */
  readonly position: number | undefined;
  readonly filters: Map<string, Node>;
}

export interface Step {
  readonly path: string;
  readonly parts: string[];
  readonly change: Change;
  /** Missing parents are made; $unset, $pull and $pop do not. */
  readonly creates: boolean;
  /** $setOnInsert: not even its path is looked at otherwise. */
  readonly onlyOnInsert?: boolean;
  /** For $rename: where the value comes from. */
  readonly source?: string[];
}

/** The document with one step done to it, or KEEP if that changes nothing. */
export function changeDoc(doc: Doc, step: Step, at: number, context: UpdateContext): Doc | typeof KEEP {
  const name = step.parts[at] as string;
  const value = changeValue(doc.get(name), step, at, context);
  if (value === KEEP) return KEEP;
  const next = doc.copy();
  if (value === undefined) next.delete(name);
  else next.set(name, value);
  return next;
}

function changeValue(old: Value | undefined, step: Step, at: number, context: UpdateContext): ReturnType<Change> {
  if (at === step.parts.length - 1) {
    const value = step.change(old, context);
    return value !== KEEP && value !== undefined && old !== undefined && identical(old, value) ? KEEP : value;
  }
  if (old instanceof Doc) return changeDoc(old, step, at + 1, context);
  if (Array.isArray(old)) return changeArray(old, step, at + 1, context);
  if (!step.creates) return KEEP;
  const next = step.parts[at + 1] as string;
  if (old !== undefined) return fail(28, `Cannot create field '${next}' in element {${step.parts[at]}: ${show(old)}}`);
  if (!next.startsWith('$')) return changeDoc(new Doc(), step, at + 1, context);
  const path = step.parts.slice(0, at + 1).join('.');
  return fail(2, `The path '${path}' must exist in the document in order to apply array updates.`);
}

/** Same value and same BSON type: then an update is no modification. */
function identical(a: Value, b: Value): boolean {
  if (a === b || typeof a !== 'object' || typeof b !== 'object') return a === b;
  return toBytes(new Doc().set('', a)) === toBytes(new Doc().set('', b));
}

function changeArray(values: Value[], step: Step, at: number, context: UpdateContext): Value[] | typeof KEEP {
  let next: Value[] | undefined;
  for (const index of arrayIndexes(values, step.parts[at] as string, step, context)) {
    const value = changeValue(values[index], step, at, context);
    if (value === KEEP) continue;
    next ??= values.slice();
    while (next.length < index) next.push(null);
    next[index] = value ?? null;
  }
  return next ?? KEEP;
}

/** Which elements one part of a path means. */
function arrayIndexes(values: Value[], part: string, { parts, creates }: Step, context: UpdateContext): number[] {
  const { position, filters } = context;
  if (part === '$') {
    if (position === undefined) fail(2, 'The positional operator did not find the match needed from the query.');
    return [position as number];
  }
  if (part === '$[]') return [...values.keys()];
  if (part.startsWith('$[')) {
    const name = part.slice(2, -1);
    return values.flatMap((value, index) => (filters.get(name)?.test(new Doc().set(name, value)) ? [index] : []));
  }
  if (!isIndex(part)) {
    if (creates) fail(28, `Cannot create field '${part}' in element {${parts.slice(0, -1).join('.')}: []}`);
    return [];
  }
  const index = Number(part);
  if (index > values.length + 1_500_000) fail(2, `cannot add an element at index ${index}`);
  return index >= values.length && !creates ? [] : [index];
}

/** The document an upsert starts from: the equalities of its filter. */
export function upsertBase(filter: Node): Doc {
  let base = new Doc();
  const seen = new Set<string>();
  const context: UpdateContext = { now: new Date(0), inserting: true, position: undefined, filters: new Map() };
  const collect = ({ kind, children, op, path = '', operand }: Node): void => {
    if (kind === 'and' || (kind === 'or' && children.length === 1)) children.forEach(collect);
    const values = op === 'in' && Array.isArray(operand) ? operand : [operand];
    if (kind !== 'field' || (op !== 'eq' && op !== 'in') || values.length !== 1) return;
    if (seen.has(path)) fail(54, `cannot infer query fields to set, path '${path}' is matched twice`);
    seen.add(path);
    const next = changeDoc(base, { path, parts: splitPath(path), change: () => values[0], creates: true }, 0, context);
    if (next !== KEEP) base = next;
  };
  collect(filter);
  return base;
}
