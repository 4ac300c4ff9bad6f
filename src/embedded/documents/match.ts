import { BSONRegExp } from 'bson';
import { fail, unsupported } from './errors.ts';
import { splitPath, visit } from './paths.ts';
import { asNumber, Doc, ORDER, show, truthy, typeOf, typeOrder, typesByAlias, type Value } from './value.ts';
import { keyOf } from './value-keys.ts';
import { compare, equal } from './value-order.ts';
import { words } from './words.ts';

/** A compiled predicate. The planner reads its shape, `test` decides. */
export interface Node {
  /** `and`, `or`, an operator on a path without its `$`, or `other`. */
  readonly op: string;
  readonly children: Node[];
  readonly path?: string;
  readonly operand?: Value;
  readonly test: (doc: Doc) => boolean;
}

const not = ({ test }: Node): Node => ({ op: 'not', children: [], test: doc => !test(doc) });

export function and(children: Node[]): Node {
  if (children.length === 1) return children[0] as Node;
  return { op: 'and', children, test: doc => children.every(child => child.test(doc)) };
}

function or(children: Node[]): Node {
  if (children.length === 1) return children[0] as Node;
  return { op: 'or', children, test: doc => children.some(child => child.test(doc)) };
}

const UNSUPPORTED = new Set(
  words(`$nor $expr $jsonSchema $text $where $comment $rand $sampleRate $alwaysTrue $alwaysFalse $not $elemMatch $size
    $regex $options $all $mod $bitsAllSet $bitsAllClear $bitsAnySet $bitsAnyClear $geoWithin $geoIntersects $near
    $nearSphere`),
);

function refuse(name: string): never {
  return UNSUPPORTED.has(name) ? unsupported(name) : fail(2, `unknown operator: ${name}`);
}

/** True for {$gt: 1, …}: a document whose first name is an operator. DBRefs ({$ref, $id, $db}) are values. */
export function isOperatorDoc(value: Value | undefined): value is Doc {
  const name = (value instanceof Doc && value.first?.name) || '';
  return name.startsWith('$') && !['$ref', '$id', '$db'].includes(name);
}

export const compileFilter = (filter: Doc): Node =>
  and(
    filter.fields.map(({ name, value }) => {
      if (name === '$and') return and(clauses(value, name));
      if (name === '$or') return or(clauses(value, name));
      if (name.startsWith('$')) return refuse(name);
      if (!isOperatorDoc(value)) return equals(name, value);
      return and(value.fields.map(field => operator(field.name)(name, field.value)));
    }),
  );

function clauses(operand: Value, name: string): Node[] {
  if (!Array.isArray(operand) || operand.length === 0) return fail(2, `${name} argument must be a non-empty array`);
  return operand.map(item =>
    item instanceof Doc ? compileFilter(item) : fail(2, `${name} argument's entries must be objects`),
  );
}

type Test = (value: Value | undefined) => boolean;

function onPath(path: string, op: string, operand: Value, accepts: Test): Node {
  const parts = splitPath(path);
  const leaf: Test = value => accepts(value) || (Array.isArray(value) && value.some(accepts));
  return { op, path, operand, children: [], test: doc => visit(doc, parts, leaf) };
}

type Compile = (path: string, operand: Value) => Node;

const operator = (name: string): Compile => (Object.hasOwn(OPERATORS, name) && OPERATORS[name]) || refuse(name);

export const OPERATORS: Record<string, Compile> = {
  $eq: equals,
  $ne: (path, operand) => not(equals(path, operand)),
  $gt: comparison('gt', c => c > 0),
  $gte: comparison('gte', c => c >= 0),
  $lt: comparison('lt', c => c < 0),
  $lte: comparison('lte', c => c <= 0),
  $in: isIn,
  $nin: (path, operand) => not(isIn(path, operand)),
  $exists: (path, operand) => (truthy(operand) ? exists(path) : not(exists(path))),
  $type: (path, operand) => onPath(path, 'type', operand, typeTest(operand)),
};

const exists = (path: string): Node => onPath(path, 'exists', true, value => value !== undefined);

function equals(path: string, operand: Value): Node {
  if (!(operand instanceof BSONRegExp))
    return onPath(path, 'eq', operand, value => (value === undefined ? operand === null : equal(value, operand)));
  const { pattern, options } = operand;
  if (/[^ims]/.test(options)) unsupported(`the option ${options} of a regular expression`);
  const expression = new RegExp(pattern, options);
  return onPath(path, 'regex', operand, value => typeof value === 'string' && expression.test(value));
}

function isIn(path: string, operand: Value): Node {
  if (!Array.isArray(operand)) return fail(2, '$in needs an array');
  if (operand.some(isOperatorDoc)) fail(2, 'cannot nest $ under $in');
  if (operand.some(item => item instanceof BSONRegExp)) unsupported('a regular expression in $in');
  const keys = new Set(operand.map(keyOf));
  return onPath(path, 'in', operand, value => keys.has(keyOf(value ?? null)));
}

/** Compares within one type only, as MongoDB does; MinKey and MaxKey compare with everything. */
function comparison(op: string, wanted: (difference: number) => boolean): Compile {
  return (path, operand) => {
    const order = typeOrder(operand);
    if (order === ORDER.regex) return fail(2, "Can't have RegEx as arg to predicate over field");
    const any = order === ORDER.minKey || order === ORDER.maxKey;
    const nan = Number.isNaN(asNumber(operand));
    return onPath(path, op, operand, (value = null) => {
      const comparable = typeOrder(value) === order && nan === Number.isNaN(asNumber(value));
      return (any || comparable) && wanted(compare(value, operand));
    });
  };
}

/** A test for the types that a `$type` or `bsonType` operand names. */
export function typeTest(operand: Value): Test {
  const wanted = new Set<unknown>();
  for (const item of Array.isArray(operand) ? operand : [operand]) {
    const alias = typeof item === 'string' ? item : (asNumber(item) ?? '');
    if (alias === 'number') for (const type of typesByAlias.values()) if (type.order === ORDER.number) wanted.add(type);
    if (alias !== 'number') wanted.add(typesByAlias.get(alias) ?? fail(2, `Unknown type name alias: ${show(item)}`));
  }
  return value => value !== undefined && wanted.has(typeOf(value));
}
