import fc, { type Arbitrary } from 'fast-check';
import mongoose from 'mongoose';
import type { Operation } from './operations.ts';
import type { Projection, Sort } from './select.ts';
import type { Doc, Value } from './values.ts';

const { Double, Int32, Long, ObjectId } = mongoose.mongo;

/*
 * Few values, few fields, few documents: what matters are their combinations, and that operations meet each other.
 * `s` is always a string and `b` never an array, so that compound indexes never meet two arrays.
 */

const integers = fc.integer({ min: -2, max: 4 });
const numbers: Arbitrary<Value> = fc.oneof(
  integers.map(n => new Int32(n)),
  integers.map(n => Long.fromNumber(n)),
  fc.constantFrom(-1, 0, 0.5, 1, 2.5, 3).map(n => new Double(n)),
);
const largeNumbers: Arbitrary<Value> = fc.constantFrom(
  new Int32(2 ** 31 - 1),
  Long.fromBigInt(2n ** 53n + 1n),
  Long.MAX_VALUE,
  new Double(2 ** 53),
  new Double(1e300),
);
const scalars: Arbitrary<Value> = fc.oneof(
  { weight: 6, arbitrary: numbers },
  { weight: 1, arbitrary: largeNumbers },
  { weight: 2, arbitrary: fc.constantFrom<Value>('', 'a', 'b', 'é', 'ab') },
  { weight: 1, arbitrary: fc.constant<Value>(null) },
  { weight: 1, arbitrary: fc.boolean() },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0, 5).map(ms => new Date(ms)) },
  { weight: 1, arbitrary: fc.constantFrom('0', '1').map(end => new ObjectId(end.padStart(24, '0'))) },
);
const smallDocs: Arbitrary<Doc> = fc.record({ x: scalars, y: scalars }, { requiredKeys: [] });
const elements: Arbitrary<Value> = fc.oneof({ weight: 3, arbitrary: scalars }, { weight: 2, arbitrary: smallDocs });
const arrays = fc.array(elements, { maxLength: 3 });
const anything: Arbitrary<Value> = fc.oneof(
  { weight: 5, arbitrary: scalars },
  { weight: 1, arbitrary: smallDocs },
  { weight: 1, arbitrary: arrays },
  { weight: 1, arbitrary: fc.tuple(scalars, arrays).map(([first, second]) => [first, second]) },
);
const nested: Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ x: anything, y: scalars }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: scalars },
  { weight: 1, arbitrary: arrays },
);
const keys: Arbitrary<Value> = fc.oneof(numbers, fc.constantFrom<Value>('a', null));
const states = fc.constantFrom('p', 'q', 'r');
const ids: Arbitrary<Value> = fc.oneof(
  fc.integer({ min: 0, max: 7 }).map(n => new Int32(n)),
  fc.integer({ min: 0, max: 7 }).map(n => Long.fromNumber(n)),
  fc.constantFrom<Value>('a', 'b', new Double(2), new Double(2.5)),
);

const fields = {
  a: anything,
  b: fc.oneof({ weight: 3, arbitrary: scalars }, { weight: 1, arbitrary: smallDocs }),
  k: keys,
  l: arrays,
  n: nested,
};
const bodies: Arbitrary<Doc> = fc.record({ ...fields, s: states }, { requiredKeys: ['s'] });
const documents = fc.tuple(ids, bodies).map(([_id, rest]) => ({ _id, ...rest }));

const comparison = fc.constantFrom('$gt', '$gte', '$lt', '$lte');
/** `ordered` are the operands of comparisons. */
function conditions(values: Arbitrary<Value>, ordered = scalars): Arbitrary<Value> {
  return fc.oneof(
    { weight: 4, arbitrary: values },
    { weight: 3, arbitrary: fc.tuple(comparison, ordered).map(([name, value]) => ({ [name]: value })) },
    { weight: 2, arbitrary: fc.tuple(ordered, ordered).map(([$gte, $lt]) => ({ $gte, $lt })) },
    { weight: 1, arbitrary: fc.array(values, { minLength: 2, maxLength: 8 }).map($in => ({ $in })) },
    { weight: 1, arbitrary: fc.array(values, { maxLength: 3 }).map($nin => ({ $nin })) },
    { weight: 1, arbitrary: values.map($ne => ({ $ne })) },
    { weight: 1, arbitrary: values.map($eq => ({ $eq })) },
    { weight: 1, arbitrary: fc.boolean().map($exists => ({ $exists })) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom('int', 'long', 'double', 'string', 'null', 'array', 'object')
        .map($type => ({ $type })),
    },
  );
}

const clausesOf: Readonly<Record<string, Arbitrary<Doc>>> = {
  a: conditions(anything).map(a => ({ a })),
  b: conditions(scalars).map(b => ({ b })),
  k: conditions(keys).map(k => ({ k })),
  l: fc.oneof(
    conditions(elements).map(l => ({ l })),
    conditions(arrays).map(l => ({ l })),
    conditions(scalars).map(condition => ({ 'l.x': condition })),
    conditions(scalars.filter(value => value !== null)).map(condition => ({ 'l.1': condition })),
  ),
  n: fc.oneof(
    conditions(nested, fc.oneof(scalars, smallDocs)).map(n => ({ n })),
    conditions(anything).map(condition => ({ 'n.x': condition })),
  ),
  s: fc.oneof(states, fc.constant<Value>({ $in: ['p', 'q'] })).map(s => ({ s })),
};

/** Conditions for up to two fields, in the order of the alphabet. */
const clauses: Arbitrary<Doc> = fc
  .subarray(Object.keys(clausesOf), { maxLength: 2 })
  .chain(names => fc.tuple(...names.map(name => clausesOf[name]!)))
  .map(parts => Object.assign({}, ...parts) as Doc);

const filters: Arbitrary<Doc> = fc.oneof(
  { weight: 6, arbitrary: clauses },
  { weight: 1, arbitrary: fc.tuple(clauses, clauses).map($or => ({ $or })) },
  { weight: 1, arbitrary: fc.tuple(clauses, clauses).map($and => ({ $and })) },
  { weight: 1, arbitrary: fc.tuple(ids, clauses).map(([_id, clause]) => ({ _id, ...clause })) },
  { weight: 1, arbitrary: fc.tuple(ids, ids).map($in => ({ _id: { $in } })) },
);
/** Names one document: which of many a command takes is the server's affair. */
const oneFilters = fc
  .tuple(ids, fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: clauses }))
  .map(([_id, clause]) => ({ _id, ...clause }));

const directions = fc.constantFrom(1 as const, -1 as const);
/** Always down to `_id`: no two documents are equal. */
const sorts: Arbitrary<Sort> = fc
  .tuple(
    fc.shuffledSubarray(['a', 'b', 'k', 'l', 'l.x', 'n.x', 's'], { maxLength: 2 }),
    fc.tuple(directions, directions, directions),
  )
  .map(([paths, [last, ...all]]) => ({ ...Object.fromEntries(paths.map((path, n) => [path, all[n]!])), _id: last }));

const projections: Arbitrary<Projection> = fc
  .tuple(
    fc.subarray(['a', 'b', 'k', 'l.x', 'n.x', 'n.y', 's'], { maxLength: 3 }),
    fc.constantFrom(0 as const, 1 as const),
    fc.option(fc.constantFrom(0 as const, 1 as const), { nil: undefined }),
  )
  .map(([paths, mode, id]) => ({
    ...Object.fromEntries(paths.map(path => [path, mode])),
    ...(id === undefined ? {} : { _id: id }),
  }));

const slices = fc.integer({ min: -3, max: 3 }).map(n => new Int32(n));
const pushes: Arbitrary<Value> = fc.oneof(
  elements.filter(value => value !== null),
  fc.array(elements, { maxLength: 3 }).map($each => ({ $each })),
  fc.tuple(fc.array(elements, { maxLength: 3 }), slices).map(([$each, $slice]) => ({ $each, $slice })),
);
const steps: Arbitrary<[string, string, Value]> = fc.oneof(
  fc.tuple(
    fc.constant('$set'),
    fc.constantFrom('a', 'n', 'n.x', 'n.y.z', 'c.d', 'l.1', 'l.3', 'l.0.x', 'l.x'),
    anything,
  ),
  fc.tuple(fc.constantFrom('$set', '$setOnInsert'), fc.constantFrom('b', 'n.y', 'c.d', 'a'), scalars),
  fc.tuple(fc.constant('$set'), fc.constant('l'), arrays),
  fc.tuple(fc.constant('$unset'), fc.constantFrom('a', 'b', 'l', 'l.0', 'n', 'n.x', 'l.1.x', 'c'), fc.constant('')),
  fc.tuple(
    fc.constant('$inc'),
    fc.constantFrom('a', 'b', 'n.x', 'c.d', 'l.0', 'l.1.x'),
    fc.oneof(numbers, largeNumbers),
  ),
  fc.tuple(fc.constantFrom('$min', '$max'), fc.constantFrom('a', 'b', 'n.x', 'c.e'), scalars),
  fc.tuple(fc.constant('$push'), fc.constantFrom('l', 'a', 'n.l', 'n.x'), pushes),
);
const uniqueSteps: Arbitrary<[string, string, Value]> = fc.oneof(
  fc.tuple(fc.constantFrom('$set', '$min', '$max'), fc.constant('k'), keys),
  fc.tuple(fc.constant('$set'), fc.constant('s'), states),
  fc.tuple(fc.constant('$inc'), fc.constant('k'), numbers),
);

function updatesOf(of: Arbitrary<[string, string, Value]>): Arbitrary<Doc> {
  return fc.array(of, { minLength: 1, maxLength: 3 }).map(list => {
    const update: Record<string, Doc> = {};
    for (const [operator, path, value] of list) update[operator] = { ...update[operator], [path]: value };
    return update;
  });
}

const updates = updatesOf(fc.oneof({ weight: 3, arbitrary: steps }, { weight: 1, arbitrary: uniqueSteps }));
const limits = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4 }));
const skips = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 }));

/**
 * A number in a path is a position only in an array; elsewhere it would be a name, and JavaScript puts such names first.
 */
function withPositionsInArrays(operation: Operation): Operation {
  const update =
    operation.kind === 'update' ? operation.u : operation.kind === 'findAndModify' ? operation.update : null;
  const paths = Object.values(update ?? {}).flatMap(fields => Object.keys(Object(fields)));
  if (!paths.some(path => /\.\d/.test(path))) return operation;
  const isArray = { l: { $type: 'array' } };
  if (operation.kind === 'update') return { ...operation, q: { $and: [operation.q, isArray] }, upsert: false };
  if (operation.kind !== 'findAndModify') return operation;
  return { ...operation, query: { $and: [operation.query, isArray] }, upsert: false };
}

const anyOperations: Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      documents: fc.array(documents, { minLength: 1, maxLength: 4 }),
      ordered: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      q: oneFilters,
      u: fc.oneof({ weight: 5, arbitrary: updates }, { weight: 1, arbitrary: bodies }),
      multi: fc.constant(false),
      upsert: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      q: filters,
      u: updatesOf(steps),
      multi: fc.constant(true),
      upsert: fc.constant(false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), q: oneFilters, limit: fc.constant(1 as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      q: fc.tuple(clauses, states).map(([clause, s]) => ({ ...clause, s })),
      limit: fc.constant(0 as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('find' as const),
      filter: filters,
      sort: sorts,
      skip: skips,
      limit: limits,
      projection: fc.oneof(fc.constant({}), projections),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('count' as const), query: filters, skip: skips, limit: limits }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('distinct' as const),
      key: fc.constantFrom('a', 'b', 'l', 'l.x', 'n.x', 'k', '_id'),
      query: filters,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('findAndModify' as const),
      query: filters,
      sort: sorts,
      update: fc.option(updates, { freq: 5 }),
      new: fc.boolean(),
      upsert: fc.constant(false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('findAndModify' as const),
      query: oneFilters,
      sort: fc.constant({}),
      update: updates,
      new: fc.boolean(),
      upsert: fc.constant(true),
    }),
  },
);

export const operations = anyOperations.map(withPositionsInArrays);

/** Secondary indexes that a collection may have: answers must not depend on them. */
export const INDEXES = [
  { name: 'a', key: { a: 1 } },
  { name: 'b-desc-s', key: { b: -1, s: 1 } },
  { name: 's-a', key: { s: 1, a: -1 } },
  { name: 'nx', key: { 'n.x': 1, b: 1 } },
  { name: 'lx', key: { 'l.x': 1 } },
  { name: 'l', key: { l: -1 }, sparse: true },
  { name: 'partial', key: { b: 1, _id: 1 }, partialFilterExpression: { s: 'p' } },
] as const;
export const indexChoices = fc.subarray([...INDEXES.keys()]);
