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
    const leaf = isFlag(value) ? undefined : computed(value, variables);
    if (name.endsWith('.$')) return fail(31277, 'positional projection is not supported by this server');
    if (!leaf) {
      if (name === '_id') {
        id = truthy(value);
        continue;
      }
      if (mode !== undefined && mode !== truthy(value))
        return fail(
          truthy(value) ? 31253 : 31254,
          `Cannot do ${truthy(value) ? 'inclusion' : 'exclusion'} on field ${name} in ${mode ? 'inclusion' : 'exclusion'} projection`,
        );
      mode = truthy(value);
    } else if (!(value instanceof Doc && value.has('$slice'))) mode ??= true;
    addPath(tree, splitPath(name), leaf ?? true, name);
  }
  const including = mode ?? id ?? false;
  if (including && id !== false) tree.set('_id', true);
  if (!including && id === false) tree.set('_id', true);
  return doc => (including ? include(doc, tree, doc) : exclude(doc, tree, doc));
}

const isFlag = (value: Value) => typeof value === 'boolean' || asNumber(value) !== undefined;

function addPath(tree: Tree, parts: string[], leaf: Leaf, path: string): void {
  let node = tree;
  for (const part of parts.slice(0, -1)) {
    let next = node.get(part);
    if (next === undefined) {
      next = new Map();
      node.set(part, next);
    }
    if (!(next instanceof Map)) fail(31249, `Path collision at ${path}`);
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
  if (isOperatorDoc(value) && value.has('$meta'))
    return fail(115, '$meta projections are not supported by this server');
  const expression = compileExpression(value, variables);
  return (_old, doc) => expression.evaluate(doc);
}

function slice(operand: Value): Leaf {
  const numbers = (Array.isArray(operand) ? operand : [operand]).map(asNumber);
  const [first, count] = numbers;
  if (first === undefined || (numbers.length === 2 && count === undefined) || numbers.length > 2)
    return fail(28667, 'Invalid $slice syntax');
  return old => {
    if (!Array.isArray(old)) return old;
    if (numbers.length === 1) return first >= 0 ? old.slice(0, first) : old.slice(first);
    const from = first >= 0 ? first : Math.max(0, old.length + first);
    return old.slice(from, from + (count as number));
  };
}

function include(doc: Doc, tree: Tree, root: Doc): Doc {
  const fields: Field[] = [];
  for (const field of doc.fields) {
    const node = tree.get(field.name);
    if (node === undefined) continue;
    const value = node === true ? field : within(field.value, node, root, include);
    if (value instanceof Field) fields.push(value);
    else if (value !== undefined) fields.push(new Field(field.name, value));
  }
  for (const [name, node] of tree) {
    if (typeof node !== 'function' || doc.has(name)) continue;
    const value = node(undefined, root);
    if (value !== undefined) fields.push(new Field(name, value));
  }
  return new Doc(fields);
}

function exclude(doc: Doc, tree: Tree, root: Doc): Doc {
  const fields: Field[] = [];
  for (const field of doc.fields) {
    const node = tree.get(field.name);
    if (node === true) continue;
    if (node === undefined) fields.push(field);
    else {
      const value = within(field.value, node, root, exclude) ?? (typeof node === 'function' ? undefined : field.value);
      if (value !== undefined) fields.push(new Field(field.name, value));
    }
  }
  return new Doc(fields);
}

function within(
  value: Value,
  node: Tree | Leaf,
  root: Doc,
  go: (doc: Doc, tree: Tree, root: Doc) => Doc,
): Value | undefined {
  if (typeof node === 'function') return node(value, root);
  const tree = node as Tree;
  if (value instanceof Doc) return go(value, tree, root);
  if (!Array.isArray(value)) return undefined;
  return value.flatMap(item => {
    const inner = within(item, tree, root, go) ?? (go === exclude ? item : undefined);
    // In a list of its own: an array within an array stays one.
    return inner === undefined ? [] : [inner];
  });
}
