import { BSONRegExp } from 'bson';
import { fail } from './errors.ts';
import { compileExpression } from './expression.ts';
import { compileSchema } from './json-schema.ts';
import { fieldPredicates } from './match-operators.ts';
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
  test(doc: Doc): boolean;
}

export interface FilterOptions {
  /** `let` variables of the command, as a plain object for expressions. */
  readonly variables?: Record<string, unknown> | undefined;
}

export const always: Node = { kind: 'and', children: [], test: () => true };

export function compileFilter(filter: Doc, options: FilterOptions = {}): Node {
  const children = filter.fields.flatMap(field =>
    field.name.startsWith('$')
      ? topLevel(field.name, field.value, options)
      : compileField(field.name, field.value, options),
  );
  return conjunction(children);
}

export function conjunction(children: Node[]): Node {
  if (children.length === 1) return children[0] as Node;
  return {
    kind: 'and',
    children,
    test(doc) {
      for (let i = 0; i < children.length; i++) if (!(children[i] as Node).test(doc)) return false;
      return true;
    },
  };
}

function disjunction(children: Node[]): Node {
  return {
    kind: 'or',
    children,
    test(doc) {
      for (let i = 0; i < children.length; i++) if ((children[i] as Node).test(doc)) return true;
      return false;
    },
  };
}

const other = (test: (doc: Doc) => boolean): Node => ({ kind: 'other', children: [], test });

const negation = (node: Node): Node => other(doc => !node.test(doc));

function topLevel(name: string, operand: Value, options: FilterOptions): Node[] {
  switch (name) {
    case '$and':
      return [conjunction(clauses(name, operand, options))];
    case '$or':
      return [disjunction(clauses(name, operand, options))];
    case '$nor':
      return [negation(disjunction(clauses(name, operand, options)))];
    case '$expr': {
      const expression = compileExpression(operand, options.variables);
      return [other(doc => expression.test(doc))];
    }
    case '$jsonSchema': {
      if (!(operand instanceof Doc)) return fail(14, '$jsonSchema must be an object');
      const schema = compileSchema(operand);
      return [other(doc => schema(doc) === undefined)];
    }
    case '$comment':
      return [];
    case '$alwaysTrue':
      return [other(() => true)];
    case '$alwaysFalse':
      return [other(() => false)];
    case '$text':
      return fail(27, 'text index required for $text query');
    case '$where':
      return fail(115, '$where is not supported by this server');
    default:
      return fail(
        2,
        `unknown top level operator: ${name}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
      );
  }
}

function clauses(name: string, operand: Value, options: FilterOptions): Node[] {
  if (!Array.isArray(operand)) return fail(2, `${name} must be an array`);
  if (operand.length === 0) return fail(2, `${name} argument must be a non-empty array`);
  return operand.map(item => {
    if (!(item instanceof Doc)) return fail(2, `${name} argument's entries must be objects`);
    return compileFilter(item, options);
  });
}

/** True for {$gt: 1, …}: a document whose first name is an operator. DBRefs ({$ref, $id, $db}) are values. */
export function isOperatorDoc(value: Value | undefined): value is Doc {
  const name = (value instanceof Doc && value.first?.name) || '';
  return name.startsWith('$') && !['$ref', '$id', '$db'].includes(name);
}

function compileField(path: string, operand: Value, options: FilterOptions): Node[] {
  if (operand instanceof BSONRegExp) return [fieldNode(path, 'regex', operand)];
  if (!isOperatorDoc(operand)) return [fieldNode(path, 'eq', operand)];
  return compileOperators(path, operand, options);
}

function compileOperators(path: string, operators: Doc, options: FilterOptions): Node[] {
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
        return [negation(conjunction(compileNot(path, value, options)))];
      case '$all':
        return compileAll(path, value, options);
      case '$elemMatch':
        return [elemMatch(path, value, options)];
      case '$regex':
        return [fieldNode(path, 'regex', withOptions(value, operators.get('$options')))];
      case '$options':
        if (!operators.has('$regex')) return fail(2, '$options needs a $regex');
        return [];
      case '$comment':
        return [];
      default:
        return [fieldNode(path, name.startsWith('$') ? name.slice(1) : fail(2, `unknown operator: ${name}`), value)];
    }
  });
}

function compileNot(path: string, value: Value, options: FilterOptions): Node[] {
  if (value instanceof BSONRegExp) return [fieldNode(path, 'regex', value)];
  if (!(value instanceof Doc)) return fail(2, '$not needs a regex or a document');
  if (!value.first) return fail(2, '$not cannot be empty');
  const { name } = value.first;
  if (!isOperatorDoc(value)) return fail(2, `unknown operator: ${name}`);
  return compileOperators(path, value, options);
}

function withOptions(pattern: Value, options: Value | undefined): Value {
  if (options !== undefined && typeof options !== 'string') return fail(2, '$options has to be a string');
  if (pattern instanceof BSONRegExp) return options === undefined ? pattern : new BSONRegExp(pattern.pattern, options);
  if (typeof pattern !== 'string') return fail(2, '$regex has to be a string');
  return new BSONRegExp(pattern, options ?? '');
}

function compileAll(path: string, operand: Value, options: FilterOptions): Node[] {
  if (!Array.isArray(operand)) return fail(2, '$all needs an array');
  if (operand.length === 0) return [other(() => false)];
  return operand.map(item => {
    const first = item instanceof Doc ? item.first : undefined;
    if (first?.name.startsWith('$')) {
      if (first.name !== '$elemMatch') return fail(2, 'no $ expressions in $all');
      return elemMatch(path, first.value, options);
    }
    return fieldNode(path, item instanceof BSONRegExp ? 'regex' : 'eq', item);
  });
}

function elemMatch(path: string, operand: Value, options: FilterOptions): Node {
  if (!(operand instanceof Doc)) return fail(2, '$elemMatch needs an Object');
  const parts = splitPath(path);
  const ofValues = isOperatorDoc(operand) && !['$and', '$or', '$nor', '$where'].includes(operand.first?.name ?? '');
  const node = ofValues ? conjunction(compileOperators('', operand, options)) : compileFilter(operand, options);
  const one = (item: Value): boolean => {
    if (ofValues) return node.test(new Doc().set('', item));
    return item instanceof Doc && node.test(item);
  };
  const test = (doc: Doc) =>
    visit(doc, parts, 0, value => {
      const index = Array.isArray(value) ? value.findIndex(one) : -1;
      if (index >= 0) matched.index = index;
      return index >= 0;
    });
  // The children tell the planner that one element meets all of them.
  return { kind: 'field', op: 'elemMatch', path, children: ofValues ? [] : [node], test };
}

function fieldNode(path: string, op: string, operand: Value): Node {
  const compile = Object.hasOwn(fieldPredicates, op) ? fieldPredicates[op] : undefined;
  if (!compile) return fail(2, `unknown operator: $${op}`);
  const predicate = compile(operand);
  const { whole } = predicate;
  const test = (value: Value | undefined) => predicate.test(value);
  const leaf = (value: Value | undefined): boolean => {
    if (!whole && Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        if (test(value[i])) {
          matched.index = i;
          return true;
        }
      }
    }
    return test(value);
  };
  if (!path.includes('.')) return { kind: 'field', path, op, operand, children: [], test: doc => leaf(doc.get(path)) };
  const parts = splitPath(path);
  return { kind: 'field', path, op, operand, children: [], test: doc => visit(doc, parts, 0, leaf) };
}
