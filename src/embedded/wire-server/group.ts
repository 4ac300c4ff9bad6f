import { Double } from 'bson';
import { fail } from './errors.ts';
import { splitPath } from './paths.ts';
import { asNumber, Doc, type Value } from './value.ts';
import { compare, equal, keyOf } from './value-order.ts';

type Read = (document: Doc) => Value | undefined;

/** What one accumulator has of one group. */
interface Accumulator {
  add(value: Value | undefined): void;
  result(): Value;
}

/** A `$group` that takes documents one by one, so that a whole collection can be grouped in slices. */
export interface Grouping {
  add(document: Doc): void;
  results(): Doc[];
}

/** An accumulator from a start and a step. */
function folding(start: Value, step: (soFar: Value, value: Value | undefined, first: boolean) => Value): Accumulator {
  let soFar = start;
  let first = true;
  return {
    add(value) {
      soFar = step(soFar, value, first);
      first = false;
    },
    result: () => soFar,
  };
}

const extreme = (direction: 1 | -1) =>
  folding(null, (best, value = null) =>
    value === null || (best !== null && compare(best, value) * direction <= 0) ? best : value,
  );

function average(): Accumulator {
  let count = 0;
  const sum = folding(0, plus);
  return {
    add(value) {
      if (asNumber(value) !== undefined) count++;
      sum.add(value);
    },
    result: () => (count ? new Double((asNumber(sum.result()) as number) / count) : null),
  };
}

const ACCUMULATORS: Record<string, () => Accumulator> = {
  $sum: () => folding(0, plus),
  $count: () => folding(0, sum => plus(sum, 1)),
  $avg: average,
  $min: () => extreme(1),
  $max: () => extreme(-1),
  $first: () => folding(null, (kept, value = null, first) => (first ? value : kept)),
  $last: () => folding(null, (_kept, value = null) => value),
  $push: () => list(() => true),
  $addToSet: () => list((items, value) => !items.some(known => equal(known, value))),
};

function list(wanted: (items: Value[], value: Value) => boolean): Accumulator {
  const items: Value[] = [];
  return { add: value => void (value !== undefined && wanted(items, value) && items.push(value)), result: () => items };
}

/** Keeps int and long apart from double, and grows int to long. */
function plus(sum: Value, value: Value | undefined): Value {
  const number = asNumber(value);
  if (number === undefined) return sum;
  const isLong = typeof sum === 'bigint' || typeof value === 'bigint';
  if (typeof sum === 'object' || typeof value === 'object') return new Double((asNumber(sum) as number) + number);
  if (isLong) return BigInt(sum as number) + BigInt(value as number);
  const result = (sum as number) + number;
  return Math.abs(result) < 2 ** 31 ? result : BigInt(result);
}

/** Compiles a `$group` of constants, field paths and documents of these; undefined = it needs the general engine. */
export function compileGroup(spec: Value): Grouping | undefined {
  if (!(spec instanceof Doc)) return fail(15947, "a group's fields must be specified in an object");
  const id = spec.get('_id');
  if (id === undefined) return fail(15955, 'a group specification must include an _id');
  const readId = compileRead(id);
  const fields = spec.fields.filter(({ name }) => name !== '_id').map(({ name, value }) => compileField(name, value));
  if (!readId || !fields.every(field => field !== undefined)) return undefined;
  const groups = new Map<string, { id: Value; accumulators: Accumulator[] }>();
  return {
    add(document) {
      const value = readId(document) ?? null;
      const key = keyOf(value);
      const group = groups.get(key) ?? { id: value, accumulators: fields.map(field => field.make()) };
      groups.set(key, group);
      for (let i = 0; i < fields.length; i++) group.accumulators[i]?.add(fields[i]?.read(document));
    },
    results: () =>
      Array.from(groups.values(), group => {
        const result = new Doc().set('_id', group.id);
        fields.forEach(({ name }, i) => void result.set(name, group.accumulators[i]?.result() ?? null));
        return result;
      }),
  };
}

function compileField(name: string, value: Value) {
  if (!(value instanceof Doc)) return fail(40234, `The field '${name}' must be an accumulator object`);
  const [field, ...more] = value.fields;
  if (!field || more.length) return fail(40238, `The field '${name}' must specify one accumulator`);
  const make = Object.hasOwn(ACCUMULATORS, field.name) ? ACCUMULATORS[field.name] : undefined;
  const read = compileRead(field.name === '$count' ? 1 : field.value);
  return make && read && { name, make, read };
}

/** A constant, a path (without arrays on its way), or a document of these. */
function compileRead(expression: Value): Read | undefined {
  if (typeof expression === 'string' && expression.startsWith('$'))
    return expression.startsWith('$$') ? undefined : compilePath(expression.slice(1));
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
      const value = read?.(document);
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
    return value.map(item => (item instanceof Doc ? walk(item, at) : undefined)).filter(item => item !== undefined);
  };
  return document => walk(document, 0);
}
