import { BSONRegExp } from 'bson';
import { words } from './context.ts';
import { fail, unsupported } from './errors.ts';
import { compileSchema } from './json-schema.ts';
import { splitPath, visit } from './paths.ts';
import { asNumber, Doc, ORDER, show, truthy, typeName, typeOf, typeOrder, typesByAlias, type Value } from './value.ts';
import { compare, equal, keyOf } from './value-order.ts';

/** A compiled predicate. The planner reads its shape, `test` decides. */
export interface Node {
  /** `and`, `or`, an operator on a path without its `$`, or `other`. */
  readonly op: string;
  readonly children: Node[];
  readonly path?: string;
  readonly operand?: Value;
  readonly test: (doc: Doc) => boolean;
}

const other = (test: (doc: Doc) => boolean): Node => ({ op: 'other', children: [], test });
const not = (node: Node): Node => other(doc => !node.test(doc));

export function and(children: Node[]): Node {
  if (children.length === 1) return children[0] as Node;
  return { op: 'and', children, test: doc => children.every(child => child.test(doc)) };
}

function or(children: Node[]): Node {
  if (children.length === 1) return children[0] as Node;
  return { op: 'or', children, test: doc => children.some(child => child.test(doc)) };
}

const UNSUPPORTED = new Set(
  words(`$expr $text $where $comment $rand $sampleRate $alwaysTrue $alwaysFalse $regex $options $all $mod $bitsAllSet
    $bitsAllClear $bitsAnySet $bitsAnyClear $geoWithin $geoIntersects $near $nearSphere`),
);

function refuse(name: string): never {
  return UNSUPPORTED.has(name) ? unsupported(name) : fail(2, `unknown operator: ${name}`);
}

export const compileFilter = (filter: Doc): Node =>
  and(
    filter.fields.map(({ name, value }) => {
      if (name.startsWith('$')) return (own(CONNECTIVES, name) ?? refuse(name))(value, name);
      return isOperatorDoc(value) ? onPath(name, value) : equals(name, value);
    }),
  );

const own = <T>(table: Record<string, T>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

const CONNECTIVES: Record<string, (operand: Value, name: string) => Node> = {
  $and: (operand, name) => and(clauses(operand, name)),
  $or: (operand, name) => or(clauses(operand, name)),
  $nor: (operand, name) => not(or(clauses(operand, name))),
  $jsonSchema(operand) {
    const schema = compileSchema(operand);
    return other(doc => schema(doc) === undefined);
  },
};

function clauses(operand: Value, name: string): Node[] {
  if (!Array.isArray(operand) || operand.length === 0) return fail(2, `${name} argument must be a non-empty array`);
  return operand.map(item =>
    item instanceof Doc ? compileFilter(item) : fail(2, `${name} argument's entries must be objects`),
  );
}

/** True for {$gt: 1, …}: a document whose first name is an operator. DBRefs ({$ref, $id, $db}) are values. */
export function isOperatorDoc(value: Value | undefined): value is Doc {
  const name = (value instanceof Doc && value.first?.name) || '';
  return name.startsWith('$') && !['$ref', '$id', '$db'].includes(name);
}

/** All operators of {path: {$gt: 1, $lt: 5}}. */
const onPath = (path: string, operators: Doc): Node =>
  and(
    operators.fields.map(({ name, value }) => {
      const special = own(ON_PATH, name);
      if (special) return special(path, value);
      const plain = name.startsWith('$') && !UNSUPPORTED.has(name) && Object.hasOwn(PREDICATES, name.slice(1));
      return plain ? predicate(path, name.slice(1), value) : refuse(name);
    }),
  );

const ON_PATH: Record<string, (path: string, operand: Value) => Node> = {
  $ne: (path, operand) => not(equals(path, operand)),
  $eq: equals,
  $nin: (path, operand) => not(predicate(path, 'in', operand)),
  $exists: (path, operand) =>
    truthy(operand) ? predicate(path, 'exists', true) : not(predicate(path, 'exists', true)),
  $not(path, operand) {
    return isOperatorDoc(operand) ? not(onPath(path, operand)) : fail(2, '$not needs a document of operators');
  },
  $elemMatch(path, operand) {
    if (!(operand instanceof Doc)) return fail(2, '$elemMatch needs an Object');
    const ofValues = isOperatorDoc(operand) && !((operand.first?.name as string) in CONNECTIVES);
    const node = ofValues ? onPath('', operand) : compileFilter(operand);
    const one = (item: Value) =>
      ofValues ? node.test(new Doc().set('', item)) : item instanceof Doc && node.test(item);
    const parts = splitPath(path);
    const test = (doc: Doc) => visit(doc, parts, value => Array.isArray(value) && value.some(one));
    // The children tell the planner that one element meets all of them.
    return { op: 'elemMatch', path, children: ofValues ? [] : [node], test };
  },
};

function equals(path: string, operand: Value): Node {
  return predicate(path, operand instanceof BSONRegExp ? 'regex' : 'eq', operand);
}

function predicate(path: string, op: string, operand: Value): Node {
  const accepts = (PREDICATES[op] as (operand: Value) => Test)(operand);
  const parts = splitPath(path);
  const leaf: Test = WHOLE.has(op) ? accepts : value => accepts(value) || (Array.isArray(value) && value.some(accepts));
  return { op, path, operand, children: [], test: doc => visit(doc, parts, leaf) };
}

type Test = (value: Value | undefined) => boolean;

/** These look at an array as it is, and not also element by element. */
const WHOLE = new Set(['exists', 'size']);

const PREDICATES: Record<string, (operand: Value) => Test> = {
  eq: operand => value => equal(value ?? null, operand) && (value !== undefined || operand === null),
  regex(operand) {
    const { pattern, options } = operand as BSONRegExp;
    if (/[^ims]/.test(options)) unsupported(`the option ${options} of a regular expression`);
    const expression = new RegExp(pattern, options);
    return value => typeof value === 'string' && expression.test(value);
  },
  gt: operand => ordering(operand, c => c > 0, false),
  gte: operand => ordering(operand, c => c >= 0, true),
  lt: operand => ordering(operand, c => c < 0, false),
  lte: operand => ordering(operand, c => c <= 0, true),
  in(operand) {
    if (!Array.isArray(operand)) return fail(2, '$in needs an array');
    if (operand.some(isOperatorDoc)) fail(2, 'cannot nest $ under $in');
    if (operand.some(item => item instanceof BSONRegExp)) unsupported('a regular expression in $in');
    const keys = new Set(operand.map(keyOf));
    return value => keys.has(keyOf(value ?? null));
  },
  // Without it ($exists: false) is the negation.
  exists: () => value => value !== undefined,
  type: typeTest,
  size(operand) {
    const size = asNumber(operand);
    if (size === undefined) return fail(2, `Failed to parse $size. Expected a number in: $size: ${typeName(operand)}`);
    if (!Number.isInteger(size) || size < 0) return fail(2, 'Failed to parse $size. Expected a non-negative integer');
    return value => Array.isArray(value) && value.length === size;
  },
};

/** Compares within one type only, as MongoDB does; MinKey and MaxKey compare with everything. */
function ordering(operand: Value, wanted: (comparison: number) => boolean, orEqual: boolean): Test {
  const order = typeOrder(operand);
  if (operand === null) return value => orEqual && (value === undefined || value === null);
  if (operand instanceof BSONRegExp) return fail(2, "Can't have RegEx as arg to predicate over field");
  const any = order === ORDER.minKey || order === ORDER.maxKey;
  const nan = Number.isNaN(asNumber(operand));
  return value => {
    if (value === undefined || (typeOrder(value) !== order && !any)) return false;
    return (any || nan === Number.isNaN(asNumber(value))) && wanted(compare(value, operand));
  };
}

/** A test for the types that a `$type` or `bsonType` operand names. */
export function typeTest(operand: Value): Test {
  const wanted: unknown[] = (Array.isArray(operand) ? operand : [operand]).map(item => {
    const alias = typeof item === 'string' ? item : (asNumber(item) ?? '');
    return alias === 'number'
      ? ORDER.number
      : (typesByAlias.get(alias) ?? fail(2, `Unknown type name alias: ${show(item)}`));
  });
  return value => value !== undefined && (wanted.includes(typeOf(value)) || wanted.includes(typeOrder(value)));
}
