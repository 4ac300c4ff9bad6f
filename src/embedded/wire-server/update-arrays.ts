import { BSONRegExp } from 'bson';
import { fail } from './errors.ts';
import { compileFilter, isOperatorDoc } from './match.ts';
import { typeName } from './match-operators.ts';
import { compileSort } from './sort.ts';
import { type Change, KEEP } from './update-paths.ts';
import { asNumber, Doc, show, type Value } from './value.ts';
import { compare, equal } from './value-order.ts';

interface PushOptions {
  readonly items: Value[];
  readonly position: number | undefined;
  readonly slice: number | undefined;
  readonly sort: ((a: Value, b: Value) => number) | undefined;
}

function each(operator: string, operand: Value): Value[] | undefined {
  if (!(operand instanceof Doc) || !operand.has('$each')) return undefined;
  const items = operand.get('$each');
  if (!Array.isArray(items))
    return fail(2, `The argument to $each in ${operator} must be an array but it was of type ${typeName(items)}`);
  return items;
}

export function push(operand: Value, path: string): Change {
  const { items, position, slice, sort } = pushOptions(operand);
  return old => {
    if (old !== undefined && !Array.isArray(old))
      return fail(2, `The field '${path}' must be an array but is of type ${typeName(old)}`);
    const next = old ? old.slice() : [];
    if (position === undefined) next.push(...items);
    else next.splice(position, 0, ...items);
    if (sort) next.sort(sort);
    if (old && items.length === 0 && !sort && (slice === undefined || Math.abs(slice) >= next.length)) return KEEP;
    if (slice === undefined) return next;
    return slice === 0 ? [] : slice > 0 ? next.slice(0, slice) : next.slice(slice);
  };
}

function pushOptions(operand: Value): PushOptions {
  const items = each('$push', operand);
  if (!items) return { items: [operand], position: undefined, slice: undefined, sort: undefined };
  const whole = (name: string): number | undefined => {
    const value = (operand as Doc).get(name);
    if (value === undefined) return undefined;
    const number = asNumber(value);
    return Number.isInteger(number)
      ? number
      : fail(2, `The value for ${name} must be an integer value but was given type: ${typeName(value)}`);
  };
  for (const { name } of (operand as Doc).fields) {
    if (!['$each', '$position', '$slice', '$sort'].includes(name)) fail(2, `Unrecognized clause in $push: ${name}`);
  }
  const sort = (operand as Doc).get('$sort');
  return {
    items,
    position: whole('$position'),
    slice: whole('$slice'),
    sort: sort === undefined ? undefined : elementSort(sort),
  };
}

function elementSort(sort: Value): (a: Value, b: Value) => number {
  if (sort instanceof Doc) {
    const order = compileSort(sort);
    const inner = (value: Value) => (value instanceof Doc ? value : new Doc());
    return (a, b) => order.compareDocs(inner(a), inner(b));
  }
  const direction = asNumber(sort);
  if (direction !== 1 && direction !== -1) return fail(2, 'The $sort element value must be either 1 or -1');
  return (a, b) => direction * compare(a, b);
}

export function addToSet(operand: Value, path: string): Change {
  const items = each('$addToSet', operand) ?? [operand];
  return old => {
    if (old !== undefined && !Array.isArray(old))
      return fail(
        2,
        `Cannot apply $addToSet to non-array field. Field named '${path}' has non-array type ${typeName(old)}`,
      );
    const next = old ? old.slice() : [];
    for (const item of items) if (!next.some(known => equal(known, item))) next.push(item);
    return old && next.length === old.length ? KEEP : next;
  };
}

export function pull(operand: Value, path: string): Change {
  const unwanted = pullTest(operand);
  return old => {
    if (old === undefined) return KEEP;
    if (!Array.isArray(old)) return fail(2, `Cannot apply $pull to a non-array value at '${path}'`);
    const next = old.filter(item => !unwanted(item));
    return next.length === old.length ? KEEP : next;
  };
}

/** A condition on values, a condition on documents, or a value to be equal to. */
function pullTest(operand: Value): (item: Value) => boolean {
  if (isOperatorDoc(operand) || operand instanceof BSONRegExp) {
    const node = compileFilter(new Doc().set('v', operand));
    return item => node.test(new Doc().set('v', item));
  }
  if (operand instanceof Doc) {
    const node = compileFilter(operand);
    return item => item instanceof Doc && node.test(item);
  }
  return item => equal(item, operand);
}

export function pop(operand: Value, path: string): Change {
  const end = asNumber(operand);
  if (end !== 1 && end !== -1) return fail(9, `$pop expects 1 or -1, found: ${show(operand)}`);
  return old => {
    if (old === undefined) return KEEP;
    if (!Array.isArray(old)) return fail(14, `Path '${path}' contains an element of non-array type '${typeName(old)}'`);
    if (old.length === 0) return KEEP;
    return end === 1 ? old.slice(0, -1) : old.slice(1);
  };
}
