import { BSONRegExp, Double, Timestamp } from 'bson';
import { fail } from './errors.ts';
import { compileFilter, isOperatorDoc } from './match.ts';
import { compileSort } from './sort.ts';
import { type Change, KEEP } from './update-paths.ts';
import { asNumber, Doc, show, typeName, type Value } from './value.ts';
import { compare, equal } from './value-order.ts';

/** Makes an operator's change from its operand. `$rename` is done by the steps it is compiled into. */
export const operators: Record<string, (operand: Value, path: string) => Change> = {
  $set: operand => () => operand,
  $setOnInsert: operand => () => operand,
  $unset: () => old => (old === undefined ? KEEP : undefined),
  $inc: (operand, path) => arithmetic('$inc', operand, path),
  $mul: (operand, path) => arithmetic('$mul', operand, path),
  $min: operand => old => (old === undefined || compare(operand, old) < 0 ? operand : KEEP),
  $max: operand => old => (old === undefined || compare(operand, old) > 0 ? operand : KEEP),
  $currentDate: currentDate,
  $push: push,
  $addToSet(operand, path) {
    const items = each('$addToSet', operand) ?? [operand];
    return arrayChange('$addToSet', path, [], old => {
      const next = old.slice();
      for (const item of items) if (!next.some(known => equal(known, item))) next.push(item);
      return next;
    });
  },
  $pull(operand, path) {
    const unwanted = pullTest(operand);
    return arrayChange('$pull', path, undefined, old => old.filter(item => !unwanted(item)));
  },
  $pullAll(operand, path) {
    if (!Array.isArray(operand)) return fail(2, '$pullAll requires an array argument');
    const unwanted = (item: Value) => operand.some(other => equal(item, other));
    return arrayChange('$pullAll', path, undefined, old => old.filter(item => !unwanted(item)));
  },
  $pop(operand, path) {
    const end = asNumber(operand);
    if (end !== 1 && end !== -1) return fail(9, `$pop expects 1 or -1, found: ${show(operand)}`);
    return arrayChange('$pop', path, undefined, old => (end === 1 ? old.slice(0, -1) : old.slice(1)), 14);
  },
  $bit: bitwise,
  $rename: () => () => KEEP,
};

/** `missing` is what a missing array is taken for; undefined = then nothing happens. */
function arrayChange(
  operator: string,
  path: string,
  missing: Value[] | undefined,
  change: (old: Value[]) => Value[],
  code = 2,
): Change {
  return old => {
    if (old !== undefined && !Array.isArray(old))
      return fail(code, `Cannot apply ${operator} to non-array field '${path}' of type ${typeName(old)}`);
    const given = old ?? missing;
    return given ? change(given) : KEEP;
  };
}

const INT32 = 2n ** 31n;
const INT64 = 2n ** 63n;
const isInteger = (value: Value): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

/** $inc and $mul: int32 grows to int64, int64 must not overflow, a double makes the result double. */
function arithmetic(name: '$inc' | '$mul', operand: Value, path: string): Change {
  const verb = name === '$inc' ? 'increment' : 'multiply';
  if (asNumber(operand) === undefined)
    return fail(14, `Cannot ${verb} with non-numeric argument: {${path}: ${typeName(operand)}}`);
  return given => {
    if (given === undefined && name === '$inc') return operand;
    const old = given === undefined ? 0 : given;
    const [x, y] = [asNumber(old), asNumber(operand) as number];
    if (x === undefined) return fail(14, `Cannot apply ${name} to '${path}' of non-numeric type ${typeName(old)}`);
    if (!isInteger(old) || !isInteger(operand)) return new Double(name === '$inc' ? x + y : x * y);
    const result = name === '$inc' ? BigInt(old) + BigInt(operand) : BigInt(old) * BigInt(operand);
    if (result >= INT64 || result < -INT64)
      return fail(2, `Failed to apply ${name} operations to current value (NumberLong): overflow at '${path}'`);
    const long = typeof old === 'bigint' || typeof operand === 'bigint' || result >= INT32 || result < -INT32;
    return long ? result : Number(result);
  };
}

function bitwise(operand: Value, path: string): Change {
  if (!(operand instanceof Doc) || !operand.first)
    return fail(2, `The $bit modifier is not compatible with a ${typeName(operand)}: it wants an embedded document`);
  for (const { name, value } of operand.fields)
    if (!['and', 'or', 'xor'].includes(name) || !isInteger(value))
      fail(2, `The $bit modifier only supports 'and', 'or', and 'xor' of integers, not '${name}': ${typeName(value)}`);
  return (old = 0) => {
    let value: Value = old;
    for (const { name, value: mask } of operand.fields) {
      if (!isInteger(value))
        return fail(2, `Cannot apply $bit to a value of non-integral type at '${path}': ${typeName(value)}`);
      const x: bigint = BigInt(value);
      const y: bigint = BigInt(mask as number | bigint);
      const result: bigint = name === 'and' ? x & y : name === 'or' ? x | y : x ^ y;
      value = typeof value === 'bigint' || typeof mask === 'bigint' ? result : Number(result);
    }
    return value;
  };
}

function currentDate(operand: Value): Change {
  const type = operand instanceof Doc && operand.fields.length === 1 ? operand.get('$type') : undefined;
  if (typeof operand !== 'boolean' && type !== 'date' && type !== 'timestamp')
    return fail(2, `$currentDate wants true or {$type: 'date'} or {$type: 'timestamp'}, not ${show(operand)}`);
  return (_old, { now }) => (type === 'timestamp' ? timestampOf(now) : now);
}

export const timestampOf = (now: Date) => new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 });

function each(operator: string, operand: Value): Value[] | undefined {
  const items = operand instanceof Doc ? operand.get('$each') : undefined;
  if (items === undefined || Array.isArray(items)) return items;
  return fail(2, `The argument to $each in ${operator} must be an array but it was of type ${typeName(items)}`);
}

function push(operand: Value, path: string): Change {
  const items = each('$push', operand);
  if (!items) return arrayChange('$push', path, [], old => [...old, operand]);
  const options = operand as Doc;
  const known = ['$each', '$position', '$slice', '$sort'];
  for (const { name } of options.fields) if (!known.includes(name)) fail(2, `Unrecognized clause in $push: ${name}`);
  const [position, slice] = ['$position', '$slice'].map(name => {
    const value = options.get(name);
    if (value !== undefined && !Number.isInteger(asNumber(value)))
      fail(2, `The value for ${name} must be an integer value but was given type: ${typeName(value)}`);
    return asNumber(value);
  });
  const sort = options.get('$sort');
  const order = sort === undefined ? undefined : elementSort(sort);
  return arrayChange('$push', path, [], old => {
    const next = old.slice();
    next.splice(position ?? next.length, 0, ...items);
    if (order) next.sort(order);
    if (slice === undefined) return next;
    return slice < 0 ? next.slice(slice) : next.slice(0, slice);
  });
}

function elementSort(sort: Value): (a: Value, b: Value) => number {
  if (sort instanceof Doc) {
    const order = compileSort(sort);
    const valuesOf = (value: Value) => order.values(value instanceof Doc ? value : new Doc());
    return (a, b) => order.compareValues(valuesOf(a), valuesOf(b));
  }
  const direction = asNumber(sort);
  if (direction !== 1 && direction !== -1) return fail(2, 'The $sort element value must be either 1 or -1');
  return (a, b) => direction * compare(a, b);
}

/** A condition on values, a condition on documents, or a value to be equal to. */
function pullTest(operand: Value): (item: Value) => boolean {
  if (isOperatorDoc(operand) || operand instanceof BSONRegExp) {
    const node = compileFilter(new Doc().set('v', operand));
    return item => node.test(new Doc().set('v', item));
  }
  if (!(operand instanceof Doc)) return item => equal(item, operand);
  const node = compileFilter(operand);
  return item => item instanceof Doc && node.test(item);
}
