import { fail, unsupported } from './errors.ts';
import { splitPath } from './paths.ts';
import { asNumber, Doc, Field, truthy, type Value } from './value.ts';

type Tree = Map<string, Tree | Leaf>;
/** true = this path itself is listed; a function computes its new value. */
type Leaf = true | ((doc: Doc) => Value | undefined);

export type Projection = (doc: Doc) => Doc;

/** Compiles a projection: inclusion or exclusion, paths and constants. */
export function compileProjection(projection: Doc): Projection | undefined {
  if (projection.fields.length === 0) return undefined;
  const tree: Tree = new Map();
  let mode: boolean | undefined;
  let id: boolean | undefined;
  for (const { name, value } of projection.fields) {
    if (name.endsWith('.$')) unsupported('positional projection');
    const flag = typeof value === 'boolean' || asNumber(value) !== undefined ? truthy(value) : undefined;
    if (flag !== undefined && name === '_id') {
      id = flag;
      continue;
    }
    if (flag !== undefined && flag !== (mode ?? flag))
      fail(flag ? 31253 : 31254, `Cannot mix inclusion and exclusion in a projection: field ${name}`);
    mode = flag ?? mode ?? true;
    addPath(tree, splitPath(name), flag === undefined ? compileRead(value) : true, name);
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

/** Reads an aggregation expression's value from a document: a path (`$a.b`), a constant, or a document of these. */
export function compileRead(expression: Value): (doc: Doc) => Value | undefined {
  if (typeof expression === 'string' && expression.startsWith('$')) {
    if (expression.startsWith('$$')) unsupported(expression);
    const parts = splitPath(expression.slice(1));
    return doc => valueAt(doc, parts, 0);
  }
  if (Array.isArray(expression)) return unsupported('an expression with an array');
  if (!(expression instanceof Doc)) return () => expression;
  const fields = expression.fields.map(({ name, value }) => {
    if (name.startsWith('$')) unsupported(`the expression ${name}`);
    return { name, read: compileRead(value) };
  });
  return doc => {
    const values = fields.map(({ name, read }) => ({ name, value: read(doc) }));
    return new Doc(values.flatMap(({ name, value }) => (value === undefined ? [] : [new Field(name, value)])));
  };
}

function valueAt(value: Value | undefined, parts: string[], at: number): Value | undefined {
  if (at === parts.length) return value;
  if (value instanceof Doc) return valueAt(value.get(parts[at] as string), parts, at + 1);
  if (!Array.isArray(value)) return undefined;
  return value
    .map(item => (item instanceof Doc ? valueAt(item, parts, at) : undefined))
    .filter(item => item !== undefined);
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
  for (const [name, node] of tree) {
    if (!including || node === true || doc.has(name)) continue;
    const made = node instanceof Map ? apply(new Doc(), node, root, including) : node(root);
    if (!(node instanceof Map) || (made as Doc).first) add(name, made);
  }
  return new Doc(fields);
}

function within(value: Value, node: Tree | Leaf, root: Doc, including: boolean): Value | undefined {
  if (typeof node === 'function') return node(root);
  if (value instanceof Doc) return apply(value, node as Tree, root, including);
  if (Array.isArray(value))
    return value.map(item => within(item, node, root, including)).filter(item => item !== undefined);
  return including ? undefined : value;
}
