import { Binary, BSONRegExp, Code, Decimal128, Double, MaxKey, MinKey, Timestamp } from 'bson';
import { fail } from './errors.ts';
import { asNumber, Doc, Oid, show, type Value } from './value.ts';
import { compare, equal, keyOf, ORDER, textOf, typeOrder } from './value-order.ts';

interface Predicate {
  test(value: Value | undefined): boolean;
  /** True if an array is looked at as it is, and not also element by element. */
  readonly whole?: boolean;
}

/** By this many members a set of keys is quicker than comparing one after the other. */
const SET_FROM = 6;

export const fieldPredicates: Record<string, (operand: Value) => Predicate> = {
  eq: operand => ({ test: equality(operand) }),
  gt: operand => ordering(operand, c => c > 0, false),
  gte: operand => ordering(operand, c => c >= 0, true),
  lt: operand => ordering(operand, c => c < 0, false),
  lte: operand => ordering(operand, c => c <= 0, true),
  in: operand => ({ test: membership(operand) }),
  // Without it ($exists: false) is the negation.
  exists: () => ({ test: value => value !== undefined, whole: true }),
  type: operand => ({ test: typeTest(operand) }),
  size: sizeTest,
  mod: modTest,
  regex: operand => ({ test: regexTest(operand as BSONRegExp) }),
  bitsAllSet: operand => bits(operand, (value, mask) => (value & mask) === mask),
  bitsAllClear: operand => bits(operand, (value, mask) => (value & mask) === 0n),
  bitsAnySet: operand => bits(operand, (value, mask) => (value & mask) !== 0n),
  bitsAnyClear: operand => bits(operand, (value, mask) => (value & mask) !== mask),
};

function equality(operand: Value): (value: Value | undefined) => boolean {
  if (operand === null) return value => value === undefined || value === null;
  if (typeof operand === 'string' || typeof operand === 'boolean') return value => value === operand;
  if (operand instanceof Oid) {
    const { bytes } = operand;
    return value => value instanceof Oid && value.bytes === bytes;
  }
  return value => value !== undefined && equal(value, operand);
}

/** Compares within one type only, as MongoDB does; MinKey and MaxKey compare with everything. */
function ordering(operand: Value, wanted: (comparison: number) => boolean, orEqual: boolean): Predicate {
  const order = typeOrder(operand);
  if (operand === null) return { test: value => orEqual && (value === undefined || value === null) };
  if (operand instanceof BSONRegExp) return fail(2, "Can't have RegEx as arg to predicate over field");
  if (order === ORDER.minKey || order === ORDER.maxKey) {
    return { test: value => value !== undefined && wanted(compare(value, operand)) };
  }
  const nan = Number.isNaN(asNumber(operand));
  return {
    test(value) {
      if (value === undefined || typeOrder(value) !== order) return false;
      if (order === ORDER.number && nan !== Number.isNaN(asNumber(value))) return false;
      return wanted(compare(value, operand));
    },
  };
}

function membership(operand: Value): (value: Value | undefined) => boolean {
  if (!Array.isArray(operand)) return fail(2, '$in needs an array');
  for (const item of operand) {
    if (item instanceof Doc && item.first?.name.startsWith('$') && item.first.name !== '$ref') {
      return fail(2, 'cannot nest $ under $in');
    }
  }
  const patterns = operand.filter(item => item instanceof BSONRegExp).map(regexTest);
  const plain = operand.filter(item => !(item instanceof BSONRegExp));
  const hasNull = plain.includes(null);
  const inPatterns = (value: Value | undefined) => patterns.some(test => test(value));
  if (plain.every(item => item instanceof Oid)) {
    const ids = new Set(plain.map(item => (item as Oid).bytes));
    return value => (value instanceof Oid && ids.has(value.bytes)) || inPatterns(value);
  }
  if (plain.length < SET_FROM) {
    const tests = plain.map(equality);
    return value => tests.some(test => test(value)) || inPatterns(value);
  }
  const keys = new Set(plain.map(keyOf));
  return value => (value === undefined ? hasNull : keys.has(keyOf(value)) || inPatterns(value));
}

/** What `$type` and `bsonType` call the types. */
const TYPE_NAMES: Record<string, (value: Value) => boolean> = {
  double: value => value instanceof Double,
  string: value => typeof value === 'string',
  object: value => value instanceof Doc,
  array: value => Array.isArray(value),
  binData: value => value instanceof Binary,
  objectId: value => value instanceof Oid,
  bool: value => typeof value === 'boolean',
  date: value => value instanceof Date,
  null: value => value === null,
  regex: value => value instanceof BSONRegExp,
  javascript: value => value instanceof Code,
  int: value => typeof value === 'number',
  timestamp: value => value instanceof Timestamp,
  long: value => typeof value === 'bigint',
  decimal: value => value instanceof Decimal128,
  minKey: value => value instanceof MinKey,
  maxKey: value => value instanceof MaxKey,
  number: value => typeOrder(value) === ORDER.number,
};

const TYPE_NUMBERS: Record<number, string> = {
  1: 'double',
  2: 'string',
  3: 'object',
  4: 'array',
  5: 'binData',
  7: 'objectId',
  8: 'bool',
  9: 'date',
  10: 'null',
  11: 'regex',
  13: 'javascript',
  16: 'int',
  17: 'timestamp',
  18: 'long',
  19: 'decimal',
  [-1]: 'minKey',
  127: 'maxKey',
};

/** A test for the types that a `$type` or `bsonType` operand names. */
export function typeTest(operand: Value): (value: Value | undefined) => boolean {
  const tests = (Array.isArray(operand) ? operand : [operand]).map(item => {
    const name = typeof item === 'string' ? item : TYPE_NUMBERS[asNumber(item) ?? Number.NaN];
    if (name === undefined || !Object.hasOwn(TYPE_NAMES, name))
      return fail(2, `Unknown type name alias: ${show(item)}`);
    return TYPE_NAMES[name] as (value: Value) => boolean;
  });
  return value => value !== undefined && tests.some(test => test(value));
}

/** The name of a value's type, for error messages. */
export function typeName(value: Value | undefined): string {
  if (value === undefined) return 'missing';
  return Object.keys(TYPE_NAMES).find(name => TYPE_NAMES[name]?.(value)) ?? 'unknown';
}

function sizeTest(operand: Value): Predicate {
  const size = asNumber(operand);
  if (size === undefined) return fail(2, `Failed to parse $size. Expected a number in: $size: ${typeName(operand)}`);
  if (!Number.isInteger(size) || size < 0) return fail(2, 'Failed to parse $size. Expected a non-negative integer');
  return { test: value => Array.isArray(value) && value.length === size, whole: true };
}

function modTest(operand: Value): Predicate {
  if (!Array.isArray(operand)) return fail(2, 'malformed mod, needs to be an array');
  const [divisor, remainder] = operand.map(asNumber).map(n => (n === undefined ? undefined : Math.trunc(n)));
  if (divisor === undefined || remainder === undefined || operand.length !== 2)
    return fail(2, 'malformed mod, needs two numbers');
  if (divisor === 0) return fail(2, 'divisor cannot be 0');
  return {
    test(value) {
      const number = asNumber(value);
      return number !== undefined && Number.isFinite(number) && Math.trunc(number) % divisor === remainder;
    },
  };
}

function toRegExp(value: BSONRegExp): RegExp {
  let { pattern } = value;
  let flags = 'u';
  for (const option of value.options) {
    if (!'imsxu'.includes(option)) fail(51108, `invalid flag in regex options: ${option}`);
  }
  const inline = /^\(\?([imsx]+)\)/.exec(pattern);
  const options = value.options + (inline?.[1] ?? '');
  if (inline) pattern = pattern.slice(inline[0].length);
  if (options.includes('x')) pattern = pattern.replace(/\\.|\s+|#.*$/gm, part => (part.startsWith('\\') ? part : ''));
  for (const option of 'ims') if (options.includes(option)) flags += option;
  try {
    return new RegExp(pattern, flags);
  } catch {
    // PCRE accepts escapes that the u flag forbids.
    try {
      return new RegExp(pattern, flags.slice(1));
    } catch {
      return fail(51091, `Regular expression is invalid: ${value.pattern}`);
    }
  }
}

function regexTest(operand: BSONRegExp): (value: Value | undefined) => boolean {
  const pattern = toRegExp(operand);
  return value => {
    if (value === undefined) return false;
    if (typeOrder(value) === ORDER.string) return pattern.test(textOf(value));
    return value instanceof BSONRegExp && equal(value, operand);
  };
}

function bits(operand: Value, wanted: (value: bigint, mask: bigint) => boolean): Predicate {
  let mask = 0n;
  if (Array.isArray(operand)) for (const bit of operand) mask |= 1n << BigInt(asNumber(bit) ?? 0);
  else if (asNumber(operand) !== undefined) mask = BigInt(asNumber(operand) as number);
  else return fail(2, 'bit test operators need a number or an array of bit positions');
  return {
    test(value) {
      const number = asNumber(value);
      return number !== undefined && Number.isInteger(number) && wanted(BigInt(number), mask);
    },
  };
}
