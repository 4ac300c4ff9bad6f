import { BSONRegExp } from 'bson';
import type { IndexField } from './index-keys.ts';
import type { Node } from './match.ts';
import { ORDER, typeOrder, type Value } from './value.ts';
import { keyOf } from './value-order.ts';

/** Values between two keys of one field. */
interface Interval {
  readonly low: string;
  readonly lowIn: boolean;
  readonly high: string;
  readonly highIn: boolean;
}

/** Key strings `from <= key < to`, already in the direction of the index field. */
export interface Range {
  readonly from: string;
  readonly to: string;
  readonly point: boolean;
}

export interface Constraint {
  readonly path: string;
  readonly intervals: Interval[];
  /** No document without the field can pass. */
  readonly needsField: boolean;
}

/** Sorts behind every key that begins with what stands before it: no component begins with this byte. */
export const AFTER = '\xff';
const span = (low: string, high: string): Interval => ({ low, lowIn: true, high, highIn: false });
const point = (key: string): Interval => ({ low: key, lowIn: true, high: key, highIn: true });
/** All values of the types from one to another. */
const types = (from: number, to = from) => span(String.fromCharCode(from), String.fromCharCode(to + 1));
const ALL = span('', AFTER);
const NULL = point(keyOf(null));

/** What a filter demands of each path, as far as an index can use it. Only conjunctions count. */
export function constraintsOf(node: Node, prefix = ''): Constraint[] {
  if (node.kind === 'and') return node.children.flatMap(child => constraintsOf(child, prefix));
  if (node.kind !== 'field' || node.path === undefined) return [];
  const path = prefix + node.path;
  if (node.op === 'elemMatch') return node.children.flatMap(child => constraintsOf(child, `${path}.`));
  const intervals = intervalsOf(node.op as string, node.operand as Value);
  if (!intervals) return [];
  const nullable = intervals.some(interval => interval !== ALL && covers(interval, NULL));
  return [{ path, intervals, needsField: !nullable }];
}

function intervalsOf(op: string, operand: Value): Interval[] | undefined {
  switch (op) {
    case 'eq':
      return Array.isArray(operand) ? undefined : [point(keyOf(operand))];
    case 'in': {
      const members = operand as Value[];
      if (members.some(member => Array.isArray(member) || member instanceof BSONRegExp)) return undefined;
      return [...new Set(members.map(keyOf))].sort().map(point);
    }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return comparison(op, operand);
    case 'exists':
      return operand === true || operand === 1 ? [ALL] : [NULL];
    case 'regex':
      return prefixOf(operand as BSONRegExp);
    default:
      return undefined;
  }
}

function comparison(op: string, operand: Value): Interval[] | undefined {
  const order = typeOrder(operand);
  const orEqual = op.endsWith('e');
  if (order === ORDER.null) return orEqual ? [NULL] : [];
  if (order === ORDER.array || order === ORDER.minKey || order === ORDER.maxKey) return undefined;
  const key = keyOf(operand);
  const all = types(order);
  return [op.startsWith('g') ? { ...all, low: key, lowIn: orEqual } : { ...all, high: key, highIn: orEqual }];
}

/** `^abc` without options: all strings that begin so (and stored patterns, which may be equal). */
function prefixOf({ pattern, options }: BSONRegExp): Interval[] | undefined {
  const prefix = /^\^([\w\s@:/-]+)(?![\w\s@:/-]*[?*{|])/.exec(pattern)?.[1];
  if (!prefix || options !== '' || pattern.includes('|')) return undefined;
  const low = String.fromCharCode(ORDER.string) + Buffer.from(prefix).toString('latin1');
  return [span(low, low + AFTER), types(ORDER.regex)];
}

function intersect(a: Interval[], b: Interval[]): Interval[] {
  return a.flatMap(x =>
    b.flatMap(y => {
      const { low, lowIn } = x.low > y.low || (x.low === y.low && !x.lowIn) ? x : y;
      const { high, highIn } = x.high < y.high || (x.high === y.high && !x.highIn) ? x : y;
      return low < high || (low === high && lowIn && highIn) ? [{ low, lowIn, high, highIn }] : [];
    }),
  );
}

/** The ranges of one index field, or undefined if the filter says nothing about it. */
export function rangesOf({ path, multikey, descending }: IndexField, constraints: Constraint[]): Range[] | undefined {
  const [first, ...others] = constraints.filter(constraint => constraint.path === path);
  if (!first) return undefined;
  let { intervals } = first;
  // Different elements of an array may meet different conditions: then only one of them bounds the scan.
  if (!multikey) for (const other of others) intervals = intersect(intervals, other.intervals);
  if (intervals.length === 1 && intervals[0] === ALL) return undefined;
  return descending ? intervals.map(descendingRange).reverse() : intervals.map(ascendingRange);
}

const ascendingRange = ({ low, lowIn, high, highIn }: Interval): Range => ({
  from: lowIn ? low : low + AFTER,
  to: highIn ? high + AFTER : high,
  point: low === high,
});

function descendingRange({ low, lowIn, high, highIn }: Interval): Range {
  const from = highIn ? complement(high) : complement(high) + AFTER;
  const to = lowIn ? complement(low) + AFTER : complement(low);
  // A lone type byte stands for the type's least value, whose complement may go on with any bytes.
  const whole = low.length === 1 && lowIn && low !== high;
  return { from, to: whole ? String.fromCharCode(256 - low.charCodeAt(0)) : to, point: low === high };
}

const complement = (key: string): string =>
  Buffer.from(Buffer.from(key, 'latin1').map(byte => 255 - byte)).toString('latin1');

/** True if every document the filter accepts meets a partial index's condition. */
export function implies(constraints: Constraint[], condition: Node): boolean {
  if (condition.kind === 'and') return condition.children.every(child => implies(constraints, child));
  const [wanted] = constraintsOf(condition);
  if (!wanted) return false;
  return constraints.some(({ path, needsField, intervals }) => {
    if (path !== wanted.path) return false;
    if (condition.op === 'exists') return (condition.operand === true) === needsField;
    return intervals.length > 0 && intervals.every(inner => wanted.intervals.some(outer => covers(outer, inner)));
  });
}

function covers(outer: Interval, inner: Interval): boolean {
  const lowOk = inner.low > outer.low || (inner.low === outer.low && (outer.lowIn || !inner.lowIn));
  const highOk = inner.high < outer.high || (inner.high === outer.high && (outer.highIn || !inner.highIn));
  return lowOk && highOk;
}
