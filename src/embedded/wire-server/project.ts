import { fail } from './errors.ts';
import { compileExpression, type PlainObject } from './expression.ts';
import { compileFilter, isOperatorDoc } from './match.ts';
import { splitPath } from './paths.ts';
import { asNumber, Doc, Field, truthy, type Value } from './value.ts';

type Tree = Map<string, Tree | Leaf>;
/** true = this path itself is listed; a function computes its new value. */
type Leaf = true | ((old: Value | undefined, doc: Doc) => Value | undefined);

export type Projection = (doc: Doc) => Doc;

/** Compiles find's projection: inclusion or exclusion, `$slice`, `$elemMatch`, and expressions. */
export function compileProjection(projection: Doc, variables?: PlainObject): Projection | undefined {
  if (projection.fields.length === 0) return undefined;
  const tree: Tree = new Map();
  let mode: boolean | undefined;
  let id: boolean | undefined;
  for (const { name, value } of projection.fields) {
    if (name.endsWith('.$')) return fail(31277, 'positional projection is not supported by this server');
    const flag = typeof value === 'boolean' || asNumber(value) !== undefined ? truthy(value) : undefined;
    if (flag !== undefined && name === '_id') {
      id = flag;
      continue;
    }
    if (flag !== undefined && flag !== (mode ?? flag))
      fail(flag ? 31253 : 31254, `Cannot mix inclusion and exclusion in a projection: field ${name}`);
    if (flag !== undefined) mode = flag;
    else if (!(value instanceof Doc && value.has('$slice'))) mode ??= true;
    addPath(tree, splitPath(name), flag === undefined ? computed(value, variables) : true, name);
  }
  const including = mode ?? id ?? false;
  if (including ? id !== false : id === false) tree.set('_id', true);
  return doc => apply(doc, tree, doc, including);
}

function addPath(tree: Tree, parts: string[], leaf: Leaf, path: string): void {
  let node = tree;
  for (const part of parts.slice(0, -1)) {
    const next: Tree | Leaf = node.get(part) ?? new Map();
    if (!(next instanceof Map)) fail(31249, `Path collision at ${path}`);
    node.set(part, next);
    node = next as Tree;
  }
  const last = parts.at(-1) as string;
  if (node.has(last)) fail(31250, `Path collision at ${path}`);
  node.set(last, leaf);
}

function computed(value: Value, variables?: PlainObject): Leaf {
  if (isOperatorDoc(value) && value.has('$slice')) return slice(value.get('$slice') as Value);
  if (isOperatorDoc(value) && value.has('$elemMatch')) {
    const node = compileFilter(new Doc().set('v', value));
    return old => {
      const found = Array.isArray(old) ? old.find(item => node.test(new Doc().set('v', [item]))) : undefined;
      return found === undefined ? undefined : [found];
    };
  }
  if (isOperatorDoc(value) && value.has('$meta')) fail(115, '$meta projections are not supported by this server');
  const expression = compileExpression(value, variables);
  return (_old, doc) => expression.evaluate(doc);
}

function slice(operand: Value): Leaf {
  const numbers = (Array.isArray(operand) ? operand : [operand]).map(asNumber);
  const [first = 0, count] = numbers;
  if (numbers.includes(undefined) || numbers.length === 0 || numbers.length > 2) fail(28667, 'Invalid $slice syntax');
  return old => {
    if (!Array.isArray(old)) return old;
    if (count === undefined) return first >= 0 ? old.slice(0, first) : old.slice(first);
    const from = first >= 0 ? first : Math.max(0, old.length + first);
    return old.slice(from, from + count);
  };
}

function apply(doc: Doc, tree: Tree, root: Doc, including: boolean): Doc {
  const fields: Field[] = [];
  const add = (name: string, value: Value | undefined) => value !== undefined && fields.push(new Field(name, value));
  for (const field of doc.fields) {
    const node = tree.get(field.name);
    if (node === undefined || node === true) {
      if ((node === true) === including) fields.push(field);
    } else add(field.name, within(field.value, node, root, including));
  }
  if (including)
    for (const [name, node] of tree) if (typeof node === 'function' && !doc.has(name)) add(name, node(undefined, root));
  return new Doc(fields);
}

function within(value: Value, node: Tree | Leaf, root: Doc, including: boolean): Value | undefined {
  if (typeof node === 'function') return node(value, root);
  if (value instanceof Doc) return apply(value, node as Tree, root, including);
  if (Array.isArray(value))
    return value.map(item => within(item, node, root, including)).filter(item => item !== undefined);
  return including ? undefined : value;
}
