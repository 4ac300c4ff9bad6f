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

interface Constraint {
  readonly path: string;
  readonly intervals: Interval[];
  /** No document without the field can pass. */
  readonly needsField: boolean;
}

/** Sorts behind every key that begins with what stands before it: no component begins with this byte. */
export const AFTER = '\xff';
const ALL: Interval = { low: '', lowIn: true, high: AFTER, highIn: false };
const NULL_KEY = keyOf(null);

/** What a filter demands of each path, as far as an index can use it. Only conjunctions count. */
export function constraintsOf(node: Node, prefix = ''): Constraint[] {
  if (node.kind === 'and') return node.children.flatMap(child => constraintsOf(child, prefix));
  if (node.kind !== 'field' || node.path === undefined) return [];
  const path = prefix + node.path;
  if (node.op === 'elemMatch') return node.children.flatMap(child => constraintsOf(child, `${path}.`));
  const intervals = intervalsOf(node.op as string, node.operand as Value);
  if (!intervals) return [];
  const nullable = intervals.some(interval => interval !== ALL && inside(NULL_KEY, interval));
  return [{ path, intervals, needsField: !nullable }];
}

const point = (key: string): Interval => ({ low: key, lowIn: true, high: key, highIn: true });

function intervalsOf(op: string, operand: Value): Interval[] | undefined {
  switch (op) {
    case 'eq':
      return Array.isArray(operand) ? undefined : [point(keyOf(operand))];
    case 'in':
      return membersOf(operand as Value[]);
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return comparison(op, operand);
    case 'exists':
      return operand === true || operand === 1 ? [ALL] : [point(NULL_KEY)];
    case 'regex':
      return prefixOf(operand as BSONRegExp);
    default:
      return undefined;
  }
}

function membersOf(members: Value[]): Interval[] | undefined {
  if (members.some(member => Array.isArray(member) || member instanceof BSONRegExp)) return undefined;
  return [...new Set(members.map(keyOf))].sort().map(point);
}

function comparison(op: string, operand: Value): Interval[] | undefined {
  const order = typeOrder(operand);
  if (order === ORDER.null) return op.endsWith('e') ? [point(NULL_KEY)] : [];
  if (order === ORDER.array || order === ORDER.minKey || order === ORDER.maxKey) return undefined;
  const key = keyOf(operand);
  const low = String.fromCharCode(order);
  const high = String.fromCharCode(order + 1);
  if (op.startsWith('g')) return [{ low: key, lowIn: op === 'gte', high, highIn: false }];
  return [{ low, lowIn: true, high: key, highIn: op === 'lte' }];
}

/** `^abc` without options: all strings that begin so (and stored patterns, which may be equal). */
function prefixOf(pattern: BSONRegExp): Interval[] | undefined {
  const prefix =
    pattern.options === '' ? /^\^([\w\s@:/-]+)(?![\w\s@:/-]*[?*{|])/.exec(pattern.pattern)?.[1] : undefined;
  if (!prefix || pattern.pattern.includes('|')) return undefined;
  const low = String.fromCharCode(ORDER.string) + Buffer.from(prefix).toString('latin1');
  const types: Interval = {
    low: String.fromCharCode(ORDER.regex),
    lowIn: true,
    high: String.fromCharCode(ORDER.regex + 1),
    highIn: false,
  };
  return [{ low, lowIn: true, high: low + AFTER, highIn: false }, types];
}

function inside(key: string, { low, lowIn, high, highIn }: Interval): boolean {
  return (key > low || (lowIn && key === low)) && (key < high || (highIn && key === high));
}

function intersect(a: Interval[], b: Interval[]): Interval[] {
  const result: Interval[] = [];
  for (const x of a) {
    for (const y of b) {
      const left = x.low > y.low || (x.low === y.low && !x.lowIn) ? x : y;
      const right = x.high < y.high || (x.high === y.high && !x.highIn) ? x : y;
      const cut = { low: left.low, lowIn: left.lowIn, high: right.high, highIn: right.highIn };
      if (cut.low < cut.high || (cut.low === cut.high && cut.lowIn && cut.highIn)) result.push(cut);
    }
  }
  return result;
}

/** The ranges of one index field, or undefined if the filter says nothing about it. */
export function rangesOf(field: IndexField, constraints: Constraint[]): Range[] | undefined {
  const own = constraints.filter(constraint => constraint.path === field.path);
  if (own.length === 0) return undefined;
  let intervals = (own[0] as Constraint).intervals;
  // Different elements of an array may meet different conditions: then only one of them bounds the scan.
  if (!field.multikey) for (const constraint of own.slice(1)) intervals = intersect(intervals, constraint.intervals);
  if (intervals.length === 1 && intervals[0] === ALL) return undefined;
  const ranges = intervals.map(interval => toRange(interval, field.descending));
  return field.descending ? ranges.reverse() : ranges;
}

function toRange({ low, lowIn, high, highIn }: Interval, descending: boolean): Range {
  const exact = low === high;
  if (!descending) return { from: lowIn ? low : low + AFTER, to: highIn ? high + AFTER : high, point: exact };
  const from = highIn ? complement(high) : complement(high) + AFTER;
  // A lone type byte stands for the type's least value, whose complement may go on with any bytes.
  if (low.length === 1 && lowIn && !exact)
    return { from, to: String.fromCharCode(256 - low.charCodeAt(0)), point: false };
  return { from, to: lowIn ? complement(low) + AFTER : complement(low), point: exact };
}

function complement(key: string): string {
  let result = '';
  for (let i = 0; i < key.length; i++) result += String.fromCharCode(255 - key.charCodeAt(i));
  return result;
}

/** True if every document the filter accepts meets a partial index's condition. */
export function implies(constraints: Constraint[], condition: Node): boolean {
  return condition.kind === 'and' && condition.children.length > 0
    ? condition.children.every(child => implies(constraints, child))
    : impliesOne(constraints, condition);
}

function impliesOne(constraints: Constraint[], condition: Node): boolean {
  const [wanted] = constraintsOf(condition);
  if (!wanted) return condition.kind === 'and';
  if (condition.op === 'exists')
    return constraints.some(
      constraint => constraint.path === wanted.path && (condition.operand === true) === constraint.needsField,
    );
  return constraints.some(
    constraint =>
      constraint.path === wanted.path &&
      constraint.intervals.length > 0 &&
      constraint.intervals.every(interval => wanted.intervals.some(outer => covers(outer, interval))),
  );
}

function covers(outer: Interval, inner: Interval): boolean {
  const lowOk = inner.low > outer.low || (inner.low === outer.low && (outer.lowIn || !inner.lowIn));
  const highOk = inner.high < outer.high || (inner.high === outer.high && (outer.highIn || !inner.highIn));
  return lowOk && highOk;
}
