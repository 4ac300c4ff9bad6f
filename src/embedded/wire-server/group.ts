import { Double } from 'bson';
import { fail } from './errors.ts';
import { splitPath } from './paths.ts';
import { asNumber, Doc, type Value } from './value.ts';
import { compare, equal, keyOf } from './value-order.ts';

type Read = (document: Doc) => Value | undefined;

/** Adds one document's value to what a group has so far (undefined at first). */
type Accumulate = (soFar: Value | undefined, value: Value | undefined) => Value | undefined;

/** A `$group` that takes documents one by one, so that a whole collection can be grouped in slices. */
export interface Grouping {
  add(document: Doc): void;
  results(): Doc[];
}

const ACCUMULATORS: Record<string, Accumulate> = {
  $sum: (sum = 0, value) => plus(sum, value),
  $count: (sum = 0) => plus(sum, 1),
  $min: (best, value) =>
    value === undefined || value === null || (best !== undefined && compare(best, value) <= 0) ? best : value,
  $max: (best, value) =>
    value === undefined || value === null || (best !== undefined && compare(best, value) >= 0) ? best : value,
  $first: (first, value) => (first === undefined ? (value ?? null) : first),
  $last: (_last, value) => value ?? null,
  $push: (list, value) => pushed(list, value),
  $addToSet: (list, value) =>
    value !== undefined && Array.isArray(list) && list.some(known => equal(known, value)) ? list : pushed(list, value),
  $avg: (state, value) => averaged(state as Value[] | undefined, value),
};

/** Keeps int and long apart from double, and grows int to long. */
function plus(sum: Value, value: Value | undefined): Value {
  const number = asNumber(value);
  if (number === undefined) return sum;
  if (sum instanceof Double || value instanceof Double) return new Double((asNumber(sum) as number) + number);
  if (typeof sum === 'bigint' || typeof value === 'bigint') return BigInt(sum as number) + BigInt(value as number);
  const result = (sum as number) + number;
  return Math.abs(result) < 2 ** 31 ? result : BigInt(result);
}

/** [sum, count] until `finished` divides. */
function averaged([sum, count]: Value[] = [0, 0], value: Value | undefined): Value {
  return asNumber(value) === undefined
    ? [sum as Value, count as Value]
    : [plus(sum as Value, value), (count as number) + 1];
}

function finished(operator: string, state: Value | undefined): Value {
  if (operator === '$avg' && Array.isArray(state))
    return state[1] === 0 ? null : new Double((asNumber(state[0]) as number) / (state[1] as number));
  if (operator === '$push' || operator === '$addToSet') return state ?? [];
  return state ?? (operator === '$sum' || operator === '$count' ? 0 : null);
}

function pushed(list: Value | undefined, value: Value | undefined): Value {
  const items = Array.isArray(list) ? list : [];
  if (value !== undefined) items.push(value);
  return items;
}

/** Compiles a `$group` of constants, field paths and documents of these; undefined = it needs the general engine. */
export function compileGroup(spec: Value): Grouping | undefined {
  if (!(spec instanceof Doc)) return fail(15947, "a group's fields must be specified in an object");
  const id = spec.get('_id');
  if (id === undefined) return fail(15955, 'a group specification must include an _id');
  const readId = compileRead(id);
  const fields = spec.fields
    .filter(({ name }) => name !== '_id')
    .map(({ name, value }) => ({ name, ...compileField(name, value) }));
  if (!readId || fields.some(({ read }) => !read)) return undefined;
  const groups = new Map<string, { id: Value; values: (Value | undefined)[] }>();
  return {
    add(document) {
      const value = readId(document) ?? null;
      const key = keyOf(value);
      let group = groups.get(key);
      if (!group) {
        group = { id: value, values: fields.map(() => undefined) };
        groups.set(key, group);
      }
      for (let i = 0; i < fields.length; i++) {
        const { read, accumulate } = fields[i] as { read: Read; accumulate: Accumulate };
        group.values[i] = accumulate(group.values[i], read(document));
      }
    },
    results: () =>
      [...groups.values()].map(group => {
        const result = new Doc().set('_id', group.id);
        fields.forEach(({ name, operator }, i) => void result.set(name, finished(operator, group.values[i])));
        return result;
      }),
  };
}

function compileField(
  name: string,
  value: Value,
): { read: Read | undefined; accumulate: Accumulate | undefined; operator: string } {
  if (!(value instanceof Doc)) return fail(40234, `The field '${name}' must be an accumulator object`);
  if (value.fields.length !== 1) return fail(40238, `The field '${name}' must specify one accumulator`);
  const { name: operator, value: operand } = value.first as { name: string; value: Value };
  const accumulate = Object.hasOwn(ACCUMULATORS, operator) ? ACCUMULATORS[operator] : undefined;
  return { read: accumulate && compileRead(operator === '$count' ? 1 : operand), accumulate, operator };
}

/** A constant, a path (without arrays on its way), or a document of these. */
function compileRead(expression: Value): Read | undefined {
  if (typeof expression === 'string' && expression.startsWith('$')) {
    return expression.startsWith('$$') ? undefined : compilePath(expression.slice(1));
  }
  if (Array.isArray(expression)) return undefined;
  if (!(expression instanceof Doc)) return () => expression;
  const parts = expression.fields.map(({ name, value }) => ({
    name,
    read: name.startsWith('$') ? undefined : compileRead(value),
  }));
  if (parts.some(part => !part.read)) return undefined;
  return document => {
    const result = new Doc();
    for (const { name, read } of parts) {
      const value = (read as Read)(document);
      if (value !== undefined) result.set(name, value);
    }
    return result;
  };
}

function compilePath(path: string): Read {
  const parts = splitPath(path);
  const walk = (value: Value | undefined, at: number): Value | undefined => {
    if (at === parts.length) return value;
    if (value instanceof Doc) return walk(value.get(parts[at] as string), at + 1);
    if (!Array.isArray(value)) return undefined;
    return value.flatMap(item => {
      const found = item instanceof Doc ? walk(item, at) : undefined;
      return found === undefined ? [] : [found];
    });
  };
  return document => walk(document, 0);
}
