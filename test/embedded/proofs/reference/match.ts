import { compare, type Doc, equal, isDoc, sameType, type Value } from './values.ts';

/** Does the document meet the filter? */
export function matches(doc: Doc, filter: Doc): boolean {
  return Object.entries(filter).every(([name, condition]) => {
    if (name === '$and') return (condition as Doc[]).every(part => matches(doc, part));
    if (name === '$or') return (condition as Doc[]).some(part => matches(doc, part));
    return meets(candidates(doc, name.split('.')), condition);
  });
}

export function isOperators(value: Value): boolean {
  return isDoc(value) && Object.keys(value).some(name => name.startsWith('$'));
}

function meets(found: readonly Value[], condition: Value): boolean {
  if (!isOperators(condition)) return holds(found, '$eq', condition);
  return Object.entries(condition as Doc).every(([operator, operand]) => holds(found, operator, operand));
}

/**
 * What a path can mean in a document: arrays on the way fan out, a number may also be a position, a missing end is
 * undefined – but not for elements that are no documents.
 */
function candidates(value: Value, path: readonly string[]): Value[] {
  const [part, ...rest] = path;
  if (part === undefined) return [value];
  if (isDoc(value)) {
    const inner = value[part];
    return Array.isArray(inner) && rest.length > 0 ? inArray(inner, rest) : candidates(inner, rest);
  }
  return [undefined];
}

function inArray(values: readonly Value[], path: readonly string[]): Value[] {
  const [part, ...rest] = path;
  const found = values.filter(isDoc).flatMap(item => candidates(item, path));
  if (!/^\d+$/.test(part!) || Number(part) >= values.length) return found;
  const positional = values[Number(part)];
  return [...found, ...(rest.length === 0 || isDoc(positional) ? candidates(positional, rest) : [])];
}

/** Each candidate, and each element of one that is an array. */
function opened(found: readonly Value[]): Value[] {
  return found.flatMap(value => (Array.isArray(value) ? [...value, value] : [value]));
}

function holds(found: readonly Value[], operator: string, operand: Value): boolean {
  switch (operator) {
    case '$eq':
      return opened(found).some(value => isEqual(value, operand));
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return opened(found).some(value => isOrdered(value, operator, operand));
    case '$in':
      return (operand as Value[]).some(item => holds(found, '$eq', item));
    case '$ne':
      return !holds(found, '$eq', operand);
    case '$nin':
      return !holds(found, '$in', operand);
    case '$exists':
      return found.some(value => value !== undefined) === operand;
    case '$type':
      return opened(found).some(value => typeOf(value) === operand);
    default:
      throw new Error(`the model does not know ${operator}`);
  }
}

function isEqual(value: Value, operand: Value): boolean {
  if (operand === null) return value === null || value === undefined;
  return value !== undefined && equal(value, operand);
}

/** Within one type only; null is only equal to itself. */
function isOrdered(value: Value, operator: string, operand: Value): boolean {
  if (operand === null) return (operator === '$gte' || operator === '$lte') && isEqual(value, null);
  if (value === undefined || !sameType(value, operand)) return false;
  const difference = compare(value, operand);
  if (difference === 0) return operator === '$gte' || operator === '$lte';
  return operator.startsWith('$g') ? difference > 0 : difference < 0;
}

function typeOf(value: Value): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (isDoc(value)) return 'object';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof Date) return 'date';
  const name = (value as { _bsontype: string })._bsontype;
  return { Int32: 'int', Long: 'long', Double: 'double', ObjectId: 'objectId' }[name]!;
}
