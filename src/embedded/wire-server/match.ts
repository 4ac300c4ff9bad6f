import { BSONRegExp } from 'bson';
import { fail } from './errors.ts';
import { compileExpression, type PlainObject } from './expression.ts';
import { compileSchema } from './json-schema.ts';
import { fieldPredicates, WHOLE } from './match-operators.ts';
import { matched, splitPath, visit } from './paths.ts';
import { Doc, truthy, type Value } from './value.ts';

/** A compiled predicate. The planner reads its shape, `test` decides. */
export interface Node {
  readonly kind: 'and' | 'or' | 'field' | 'other';
  readonly children: Node[];
  /** For kind 'field': the path, the operator's name without `$`, and its operand. */
  readonly path?: string;
  readonly op?: string;
  readonly operand?: Value;
  readonly test: (doc: Doc) => boolean;
}

/** `let` variables of the command. */
type Variables = PlainObject | undefined;

export const always: Node = { kind: 'and', children: [], test: () => true };
export const other = (test: (doc: Doc) => boolean): Node => ({ kind: 'other', children: [], test });
const negation = (node: Node): Node => other(doc => !node.test(doc));

export function conjunction(children: Node[]): Node {
  if (children.length === 1) return children[0] as Node;
  return { kind: 'and', children, test: doc => children.every(child => child.test(doc)) };
}

const disjunction = (children: Node[]): Node => ({
  kind: 'or',
  children,
  test: doc => children.some(child => child.test(doc)),
});

export function compileFilter(filter: Doc, variables?: Variables): Node {
  return conjunction(
    filter.fields.flatMap(({ name, value }) =>
      name.startsWith('$') ? topLevel(name, value, variables) : compileField(name, value, variables),
    ),
  );
}

function topLevel(name: string, operand: Value, variables: Variables): Node[] {
  switch (name) {
    case '$and':
      return [conjunction(clauses(name, operand, variables))];
    case '$or':
      return [disjunction(clauses(name, operand, variables))];
    case '$nor':
      return [negation(disjunction(clauses(name, operand, variables)))];
    case '$expr':
      return [other(compileExpression(operand, variables).test)];
    case '$jsonSchema': {
      const schema = operand instanceof Doc ? compileSchema(operand) : fail(14, '$jsonSchema must be an object');
      return [other(doc => schema(doc) === undefined)];
    }
    case '$comment':
      return [];
    case '$alwaysTrue':
      return [always];
    case '$alwaysFalse':
      return [negation(always)];
    case '$text':
      return fail(27, 'text index required for $text query');
    case '$where':
      return fail(115, '$where is not supported by this server');
    default:
      return fail(2, `unknown top level operator: ${name}. Names with a $ need $getField or $setField.`);
  }
}

function clauses(name: string, operand: Value, variables: Variables): Node[] {
  if (!Array.isArray(operand) || operand.length === 0) return fail(2, `${name} argument must be a non-empty array`);
  return operand.map(item =>
    item instanceof Doc ? compileFilter(item, variables) : fail(2, `${name} argument's entries must be objects`),
  );
}

/** True for {$gt: 1, …}: a document whose first name is an operator. DBRefs ({$ref, $id, $db}) are values. */
export function isOperatorDoc(value: Value | undefined): value is Doc {
  const name = (value instanceof Doc && value.first?.name) || '';
  return name.startsWith('$') && !['$ref', '$id', '$db'].includes(name);
}

function compileField(path: string, operand: Value, variables: Variables): Node[] {
  return isOperatorDoc(operand) ? compileOperators(path, operand, variables) : [equals(path, operand)];
}

const equals = (path: string, operand: Value) =>
  fieldNode(path, operand instanceof BSONRegExp ? 'regex' : 'eq', operand);

function compileOperators(path: string, operators: Doc, variables: Variables): Node[] {
  return operators.fields.flatMap(({ name, value }) => {
    switch (name) {
      case '$ne':
        if (value instanceof BSONRegExp) return fail(2, "Can't have regex as arg to $ne.");
        return [negation(fieldNode(path, 'eq', value))];
      case '$exists': {
        const there = fieldNode(path, 'exists', true);
        return [truthy(value) ? there : negation(there)];
      }
      case '$nin':
        return [negation(fieldNode(path, 'in', value))];
      case '$not':
        if (value instanceof BSONRegExp) return [negation(equals(path, value))];
        if (!isOperatorDoc(value)) return fail(2, '$not needs a regex or a document of operators');
        return [negation(conjunction(compileOperators(path, value, variables)))];
      case '$all':
        return compileAll(path, value, variables);
      case '$elemMatch':
        return [elemMatch(path, value, variables)];
      case '$regex':
        return [fieldNode(path, 'regex', withOptions(value, operators.get('$options')))];
      case '$options':
        return operators.has('$regex') ? [] : fail(2, '$options needs a $regex');
      case '$comment':
        return [];
      default:
        return [fieldNode(path, name.startsWith('$') ? name.slice(1) : fail(2, `unknown operator: ${name}`), value)];
    }
  });
}

function withOptions(pattern: Value, options: Value | undefined): Value {
  if (options !== undefined && typeof options !== 'string') return fail(2, '$options has to be a string');
  if (pattern instanceof BSONRegExp) return new BSONRegExp(pattern.pattern, options ?? pattern.options);
  return typeof pattern === 'string' ? new BSONRegExp(pattern, options) : fail(2, '$regex has to be a string');
}

function compileAll(path: string, operand: Value, variables: Variables): Node[] {
  if (!Array.isArray(operand)) return fail(2, '$all needs an array');
  if (operand.length === 0) return [negation(always)];
  return operand.map(item => {
    const { name = '', value = null } = (item instanceof Doc && item.first) || {};
    if (name === '$elemMatch') return elemMatch(path, value, variables);
    return name.startsWith('$') ? fail(2, 'no $ expressions in $all') : equals(path, item);
  });
}

function elemMatch(path: string, operand: Value, variables: Variables): Node {
  if (!(operand instanceof Doc)) return fail(2, '$elemMatch needs an Object');
  const parts = splitPath(path);
  const ofValues = isOperatorDoc(operand) && !['$and', '$or', '$nor', '$where'].includes(operand.first?.name ?? '');
  const node = ofValues ? conjunction(compileOperators('', operand, variables)) : compileFilter(operand, variables);
  const one = (item: Value): boolean =>
    ofValues ? node.test(new Doc().set('', item)) : item instanceof Doc && node.test(item);
  const leaf = (value: Value | undefined) => Array.isArray(value) && anyOf(value, one);
  const test = (doc: Doc) => visit(doc, parts, 0, leaf);
  // The children tell the planner that one element meets all of them.
  return { kind: 'field', op: 'elemMatch', path, children: ofValues ? [] : [node], test };
}

function anyOf(values: Value[], test: (value: Value) => boolean): boolean {
  const index = values.findIndex(test);
  if (index >= 0) matched.index = index;
  return index >= 0;
}

function fieldNode(path: string, op: string, operand: Value): Node {
  const compile = Object.hasOwn(fieldPredicates, op) ? fieldPredicates[op] : undefined;
  if (!compile) return fail(2, `unknown operator: $${op}`);
  const accepts = compile(operand);
  const whole = WHOLE.has(op);
  const leaf = (value: Value | undefined): boolean =>
    (!whole && Array.isArray(value) && anyOf(value, accepts)) || accepts(value);
  const parts = splitPath(path);
  const test = (doc: Doc) => (parts.length === 1 ? leaf(doc.get(path)) : visit(doc, parts, 0, leaf));
  return { kind: 'field', path, op, operand, children: [], test };
}
