import { BSONRegExp } from 'bson';
import { fail } from './errors.ts';
import { asNumber, Doc, Oid, ORDER, show, typeName, typeOf, typeOrder, typesByAlias, type Value } from './value.ts';
import { compare, equal, keyOf, textOf } from './value-order.ts';

type Test = (value: Value | undefined) => boolean;

/** By this many members a set of keys is quicker than comparing one after the other. */
const SET_FROM = 6;

/** These look at an array as it is, and not also element by element. */
export const WHOLE = new Set(['exists', 'size']);

export const fieldPredicates: Record<string, (operand: Value) => Test> = {
  eq: equality,
  gt: operand => ordering(operand, c => c > 0, false),
  gte: operand => ordering(operand, c => c >= 0, true),
  lt: operand => ordering(operand, c => c < 0, false),
  lte: operand => ordering(operand, c => c <= 0, true),
  in: membership,
  // Without it ($exists: false) is the negation.
  exists: () => value => value !== undefined,
  type: typeTest,
  size: sizeTest,
  mod: modTest,
  regex: operand => regexTest(operand as BSONRegExp),
  bitsAllSet: operand => bits(operand, (value, mask) => (value & mask) === mask),
  bitsAllClear: operand => bits(operand, (value, mask) => (value & mask) === 0n),
  bitsAnySet: operand => bits(operand, (value, mask) => (value & mask) !== 0n),
  bitsAnyClear: operand => bits(operand, (value, mask) => (value & mask) !== mask),
};

function equality(operand: Value): Test {
  if (operand === null) return value => value === undefined || value === null;
  if (typeof operand === 'string' || typeof operand === 'boolean') return value => value === operand;
  return value => value !== undefined && equal(value, operand);
}

/** Compares within one type only, as MongoDB does; MinKey and MaxKey compare with everything. */
function ordering(operand: Value, wanted: (comparison: number) => boolean, orEqual: boolean): Test {
  const order = typeOrder(operand);
  if (operand === null) return value => orEqual && (value === undefined || value === null);
  if (operand instanceof BSONRegExp) return fail(2, "Can't have RegEx as arg to predicate over field");
  if (order === ORDER.minKey || order === ORDER.maxKey)
    return value => value !== undefined && wanted(compare(value, operand));
  const nan = Number.isNaN(asNumber(operand));
  return value => {
    if (value === undefined || typeOrder(value) !== order) return false;
    if (order === ORDER.number && nan !== Number.isNaN(asNumber(value))) return false;
    return wanted(compare(value, operand));
  };
}

function membership(operand: Value): Test {
  if (!Array.isArray(operand)) return fail(2, '$in needs an array');
  for (const item of operand) {
    const name = item instanceof Doc ? (item.first?.name ?? '') : '';
    if (name.startsWith('$') && name !== '$ref') return fail(2, 'cannot nest $ under $in');
  }
  const patterns = operand.filter(item => item instanceof BSONRegExp).map(regexTest);
  const plain = operand.filter(item => !(item instanceof BSONRegExp));
  const hasNull = plain.includes(null);
  const inPatterns: Test = value => patterns.some(test => test(value));
  if (plain.every(item => item instanceof Oid)) {
    const ids = new Set(plain.map(item => item.bytes));
    return value => (value instanceof Oid && ids.has(value.bytes)) || inPatterns(value);
  }
  if (plain.length < SET_FROM) {
    const tests = plain.map(equality);
    return value => tests.some(test => test(value)) || inPatterns(value);
  }
  const keys = new Set(plain.map(keyOf));
  return value => (value === undefined ? hasNull : keys.has(keyOf(value)) || inPatterns(value));
}

/** A test for the types that a `$type` or `bsonType` operand names. */
export function typeTest(operand: Value): Test {
  const wanted = (Array.isArray(operand) ? operand : [operand]).map(item => {
    const alias = typeof item === 'string' ? item : (asNumber(item) ?? '');
    const type = typesByAlias.get(alias);
    return type || alias === 'number' ? type : fail(2, `Unknown type name alias: ${show(item)}`);
  });
  return value =>
    value !== undefined && wanted.some(type => (type ? type === typeOf(value) : typeOrder(value) === ORDER.number));
}

function sizeTest(operand: Value): Test {
  const size = asNumber(operand);
  if (size === undefined) return fail(2, `Failed to parse $size. Expected a number in: $size: ${typeName(operand)}`);
  if (!Number.isInteger(size) || size < 0) return fail(2, 'Failed to parse $size. Expected a non-negative integer');
  return value => Array.isArray(value) && value.length === size;
}

function modTest(operand: Value): Test {
  if (!Array.isArray(operand)) return fail(2, 'malformed mod, needs to be an array');
  const [divisor, remainder] = operand.map(item => Math.trunc(asNumber(item) ?? Number.NaN));
  if (operand.length !== 2 || Number.isNaN(divisor) || Number.isNaN(remainder))
    return fail(2, 'malformed mod, needs two numbers');
  if (divisor === 0) return fail(2, 'divisor cannot be 0');
  return value => {
    const number = asNumber(value);
    return number !== undefined && Number.isFinite(number) && Math.trunc(number) % (divisor as number) === remainder;
  };
}

function toRegExp({ pattern, options }: BSONRegExp): RegExp {
  const invalid = /[^imsxu]/.exec(options)?.[0];
  if (invalid) fail(51108, `invalid flag in regex options: ${invalid}`);
  const inline = /^\(\?([imsx]+)\)/.exec(pattern);
  const all = options + (inline?.[1] ?? '');
  let source = pattern.slice(inline?.[0].length ?? 0);
  if (all.includes('x')) source = source.replace(/\\.|\s+|#.*$/gm, part => (part.startsWith('\\') ? part : ''));
  const flags = ['i', 'm', 's'].filter(option => all.includes(option)).join('');
  // PCRE accepts escapes that the u flag forbids.
  for (const unicode of ['u', ''])
    try {
      return new RegExp(source, flags + unicode);
    } catch {}
  return fail(51091, `Regular expression is invalid: ${pattern}`);
}

function regexTest(operand: BSONRegExp): Test {
  const pattern = toRegExp(operand);
  return value => {
    if (value === undefined) return false;
    if (typeOrder(value) === ORDER.string) return pattern.test(textOf(value));
    return value instanceof BSONRegExp && equal(value, operand);
  };
}

function bits(operand: Value, wanted: (value: bigint, mask: bigint) => boolean): Test {
  const number = asNumber(operand);
  if (!Array.isArray(operand) && number === undefined)
    return fail(2, 'bit test operators need a number or an array of bit positions');
  let mask = BigInt(number ?? 0);
  if (Array.isArray(operand)) for (const bit of operand) mask |= 1n << BigInt(asNumber(bit) ?? 0);
  return value => {
    const given = asNumber(value);
    return given !== undefined && Number.isInteger(given) && wanted(BigInt(given), mask);
  };
}
