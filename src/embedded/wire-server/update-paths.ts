import { fail } from './errors.ts';
import type { Node } from './match.ts';
import { isIndex, splitPath } from './paths.ts';
import { Doc, show, type Value } from './value.ts';
import { toBytes } from './value-write.ts';

/** Computes the new value at a path from the old one (undefined = missing); undefined = remove, KEEP = leave alone. */
export type Change = (old: Value | undefined, context: UpdateContext) => Value | undefined | typeof KEEP;

export const KEEP = Symbol('keep');

export interface UpdateContext {
  readonly now: Date;
  readonly inserting: boolean;
  /** What `$` means for this document. */
  readonly position: number | undefined;
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
export function changeDoc(
  doc: Doc,
  step: Step,
  at: number,
  context: UpdateContext,
  filters: Map<string, Node>,
): Doc | typeof KEEP {
  const name = step.parts[at] as string;
  const old = doc.get(name);
  const value = changeValue(old, step, at, context, filters);
  if (value === KEEP) return KEEP;
  const next = doc.copy();
  if (value === undefined) next.delete(name);
  else next.set(name, value);
  return next;
}

function changeValue(
  old: Value | undefined,
  step: Step,
  at: number,
  context: UpdateContext,
  filters: Map<string, Node>,
): Value | undefined | typeof KEEP {
  if (at === step.parts.length - 1) return finalValue(old, step, context);
  if (old instanceof Doc) return changeDoc(old, step, at + 1, context, filters);
  if (Array.isArray(old)) return changeArray(old, step, at + 1, context, filters);
  if (!step.creates) return KEEP;
  const next = step.parts[at + 1] as string;
  if (old === undefined) {
    if (next.startsWith('$')) return missingArray(step, at);
    return changeDoc(new Doc(), step, at + 1, context, filters);
  }
  return fail(28, `Cannot create field '${next}' in element {${step.parts[at]}: ${show(old)}}`);
}

function missingArray(step: Step, at: number): never {
  return fail(
    2,
    `The path '${step.parts.slice(0, at + 1).join('.')}' must exist in the document in order to apply array updates.`,
  );
}

function finalValue(old: Value | undefined, step: Step, context: UpdateContext): Value | undefined | typeof KEEP {
  const value = step.change(old, context);
  if (value === KEEP || value === undefined) return value;
  return old !== undefined && identical(old, value) ? KEEP : value;
}

/** Same value and same BSON type: then an update is no modification. */
function identical(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return toBytes(new Doc().set('', a)) === toBytes(new Doc().set('', b));
}

function changeArray(
  values: Value[],
  step: Step,
  at: number,
  context: UpdateContext,
  filters: Map<string, Node>,
): Value[] | typeof KEEP {
  const part = step.parts[at] as string;
  const indexes = arrayIndexes(values, part, step, context, filters);
  let next: Value[] | undefined;
  for (const index of indexes) {
    const value = changeValue(values[index], step, at, context, filters);
    if (value === KEEP) continue;
    next ??= values.slice();
    while (next.length < index) next.push(null);
    next[index] = value ?? null;
  }
  return next ?? KEEP;
}

function arrayIndexes(
  values: Value[],
  part: string,
  step: Step,
  context: UpdateContext,
  filters: Map<string, Node>,
): number[] {
  if (part === '$') {
    if (context.position === undefined)
      return fail(2, 'The positional operator did not find the match needed from the query.');
    return [context.position];
  }
  if (part === '$[]') return values.map((_value, index) => index);
  if (part.startsWith('$[')) {
    const name = part.slice(2, -1);
    const filter = filters.get(name) as Node;
    return values.flatMap((value, index) => (filter.test(new Doc().set(name, value)) ? [index] : []));
  }
  if (!isIndex(part))
    return step.creates
      ? fail(28, `Cannot create field '${part}' in element {${step.parts.slice(0, -1).join('.')}: []}`)
      : [];
  const index = Number(part);
  if (index > values.length + 1_500_000) return fail(2, `cannot add an element at index ${index}`);
  return index >= values.length && !step.creates ? [] : [index];
}

/** The document an upsert starts from: the equalities of its filter. */
export function upsertBase(filter: Node): Doc {
  const base = new Map<string, Value>();
  const collect = (node: Node): void => {
    if (node.kind === 'and' || (node.kind === 'or' && node.children.length === 1)) node.children.forEach(collect);
    else if (node.kind === 'field' && node.op === 'eq' && node.path !== undefined)
      addOnce(base, node.path, node.operand as Value);
    else if (node.kind === 'field' && node.op === 'in' && Array.isArray(node.operand) && node.operand.length === 1)
      addOnce(base, node.path as string, node.operand[0] as Value);
  };
  collect(filter);
  let doc = new Doc();
  const context: UpdateContext = { now: new Date(0), inserting: true, position: undefined };
  for (const [path, value] of base) {
    const next = changeDoc(
      doc,
      { path, parts: splitPath(path), change: () => value, creates: true },
      0,
      context,
      new Map(),
    );
    if (next !== KEEP) doc = next;
  }
  return doc;
}

function addOnce(base: Map<string, Value>, path: string, value: Value): void {
  if (base.has(path)) fail(54, `cannot infer query fields to set, path '${path}' is matched twice`);
  base.set(path, value);
}
