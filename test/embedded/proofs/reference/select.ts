import { compare, type Doc, isDoc, type Value } from './values.ts';

export type Sort = Readonly<Record<string, 1 | -1>>;
/** 1 includes a path, 0 leaves it out; never mixed but for _id. */
export type Projection = Readonly<Record<string, 0 | 1>>;

export function sorted(docs: readonly Doc[], sort: Sort): Doc[] {
  return [...docs].sort((a, b) => {
    for (const [name, direction] of Object.entries(sort)) {
      const path = name.split('.');
      const difference = compare(sortValue(a, path, direction), sortValue(b, path, direction)) * direction;
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

/** An array counts as its least value when ascending, as its greatest when descending. */
function sortValue(doc: Doc, path: readonly string[], direction: 1 | -1): Value {
  const [first, ...rest] = sortValues(doc, path);
  return rest.reduce((best, value) => (compare(value, best) * direction < 0 ? value : best), first);
}

/** As in an index: missing is null, an empty array undefined, an element that is no document has none of the fields. */
function sortValues(value: Value, path: readonly string[]): Value[] {
  const [part, ...rest] = path;
  if (part === undefined) return [value];
  const inner = (isDoc(value) ? value[part] : undefined) ?? null;
  if (!Array.isArray(inner)) return sortValues(inner, rest);
  if (inner.length === 0) return [rest.length === 0 ? undefined : null];
  return inner.flatMap(item => sortValues(item, rest));
}

export function projected(doc: Doc, projection: Projection): Doc {
  const { _id: id = 1, ...paths } = projection;
  const names = Object.keys(paths);
  const includes = names.length > 0 ? Object.values(paths)[0] === 1 : id === 1 && '_id' in projection;
  const tree = treeOf(includes === (id === 1) ? [...names, '_id'] : names);
  return includes ? included(doc, tree) : excluded(doc, tree);
}

/** `true` where a path ends. */
type Tree = { [name: string]: Tree | true };

function treeOf(paths: readonly string[]): Tree {
  const tree: Tree = {};
  for (const path of paths) {
    const parts = path.split('.');
    let node = tree;
    for (const part of parts.slice(0, -1)) {
      node[part] ??= {};
      node = node[part] as Tree;
    }
    node[parts.at(-1)!] = true;
  }
  return tree;
}

function included(doc: Doc, tree: Tree): Doc {
  const within = (value: Value, node: Tree): Value[] => {
    if (isDoc(value)) return [included(value, node)];
    return Array.isArray(value) ? [value.flatMap(item => within(item, node))] : [];
  };
  return Object.fromEntries(
    Object.entries(doc).flatMap(([name, value]) => {
      const node = tree[name];
      if (node === undefined) return [];
      return (node === true ? [value] : within(value, node)).map(inner => [name, inner]);
    }),
  );
}

function excluded(doc: Doc, tree: Tree): Doc {
  const within = (value: Value, node: Tree): Value => {
    if (isDoc(value)) return excluded(value, node);
    return Array.isArray(value) ? value.map(item => within(item, node)) : value;
  };
  return Object.fromEntries(
    Object.entries(doc).flatMap(([name, value]) => {
      const node = tree[name];
      if (node === true) return [];
      return [[name, node === undefined ? value : within(value, node)]];
    }),
  );
}

/** The different values at a path, arrays opened. */
export function distinctValues(docs: readonly Doc[], name: string): Value[] {
  const found: Value[] = [];
  const open = (value: Value, path: readonly string[]): void => {
    const [part, ...rest] = path;
    if (part === undefined) {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (item !== undefined && !found.some(known => compare(known, item) === 0)) found.push(item);
      }
    } else if (isDoc(value)) {
      const inner = value[part];
      if (Array.isArray(inner) && rest.length > 0) for (const item of inner) open(item, rest);
      else open(inner, rest);
    }
  };
  for (const doc of docs) open(doc, name.split('.'));
  return found.sort(compare);
}
