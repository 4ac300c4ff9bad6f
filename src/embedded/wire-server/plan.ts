import { fail, unsupported } from '../documents/errors.ts';
import type { IndexField, Sort } from '../documents/index-keys.ts';
import { ALL, covers, intersect, isPoint, mirrored, NULL, point, type Range } from '../documents/key-ranges.ts';
import type { Node } from '../documents/match.ts';
import { Doc, ORDER, typeOrder, type Value } from '../documents/value.ts';
import { keyOf } from '../documents/value-keys.ts';
import { type Collection, findIndex, type Index } from './collection.ts';

/** How the documents are reached: by an index, or one after the other. */
export interface Plan {
  readonly index?: Index;
  /** Per index field; undefined = not bounded. */
  readonly ranges: (Range[] | undefined)[];
  /** It delivers the order that was asked for. */
  readonly sorted: boolean;
}

interface PlanRequest {
  readonly filter: Node;
  readonly sort?: Sort | undefined;
  readonly limit?: number;
  readonly hint?: Value | undefined;
}

/** What a filter demands of one path. */
interface Constraint {
  readonly path: string;
  readonly ranges: Range[];
  /** No document without the field can pass. */
  readonly needsField: boolean;
}

/** What a filter demands as far as an index can use it. Only conjunctions count. */
function constraintsOf({ op, children, path = '', operand = null }: Node): Constraint[] {
  if (op === 'and') return children.flatMap(constraintsOf);
  const ranges = op === 'not' || op === 'or' ? undefined : rangesFor(op, operand);
  if (!ranges) return [];
  return [{ path, ranges, needsField: op === 'exists' || !ranges.some(range => covers(range, NULL)) }];
}

/** undefined = an index does not help with it. */
function rangesFor(op: string, operand: Value): Range[] | undefined {
  if (op === 'exists') return [ALL];
  if (op === 'in' && Array.isArray(operand))
    return operand.some(Array.isArray) ? undefined : [...new Set(operand.map(keyOf))].sort().map(point);
  const order = typeOrder(operand);
  if (order === ORDER.array) return undefined;
  const { from, to } = point(keyOf(operand));
  if (op === 'eq') return [{ from, to }];
  if (order === ORDER.minKey || order === ORDER.maxKey || !/^[gl]te?$/.test(op)) return undefined;
  if (op[0] === 'g') return [{ from: op === 'gt' ? to : from, to: String.fromCharCode(order + 1) }];
  return [{ from: String.fromCharCode(order), to: op === 'lt' ? from : to }];
}

/** The ranges of one index field, or undefined if the filter says nothing about it. */
function rangesOf({ path, multikey, descending }: IndexField, constraints: Constraint[]): Range[] | undefined {
  const [first, ...others] = constraints.filter(constraint => constraint.path === path).map(({ ranges }) => ranges);
  if (!first) return undefined;
  // Different elements of an array may meet different conditions: then only one of them bounds the scan.
  const ranges = multikey ? first : others.reduce(intersect, first);
  if (ranges[0] === ALL) return undefined;
  return descending ? mirrored(ranges) : ranges;
}

/** True if every document the filter accepts meets a partial index's condition. */
function implies(constraints: Constraint[], condition: Node): boolean {
  if (condition.op === 'and') return condition.children.every(child => implies(constraints, child));
  const [wanted] = constraintsOf(condition);
  if (!wanted) return false;
  return constraints.some(({ path, needsField, ranges }) => {
    if (path !== wanted.path) return false;
    if (condition.op === 'exists') return needsField;
    return ranges.length > 0 && ranges.every(inner => wanted.ranges.some(outer => covers(outer, inner)));
  });
}

/** Chooses the access path by the number of keys it expects to walk. An index that bounds anything beats a whole scan. */
export function choosePlan(collection: Collection, { filter, sort, hint, limit = 0 }: PlanRequest): Plan {
  if (hint instanceof Doc && hint.has('$natural')) unsupported('$natural');
  const hinted = hint === undefined ? undefined : findIndex(collection, hint);
  if (hint !== undefined && !hinted)
    fail(2, 'error processing query: planner returned error: hint provided does not correspond to an existing index');
  const constraints = constraintsOf(filter);
  let best: { plan: Plan; cost: number } = { plan: { ranges: [], sorted: !sort }, cost: Number.POSITIVE_INFINITY };
  for (const index of hinted ? [hinted] : collection.indexes.values()) {
    const [first] = index.fields;
    if (!hinted && !sort && !constraints.some(({ path }) => path === first?.path)) continue;
    if (!usable(index, constraints, hinted !== undefined)) continue;
    const plan = planFor(index, constraints, sort);
    const bounded = hinted !== undefined || plan.ranges[0] !== undefined;
    if (!bounded && !(sort && plan.sorted)) continue;
    const keys = estimate(index, plan.ranges) + (bounded ? 0 : collection.records.size);
    const cost = !sort ? keys : !plan.sorted ? keys * 1.5 + 1 : limit > 0 ? Math.min(keys, limit * 4) : keys;
    if (cost < best.cost) best = { plan, cost };
    if (cost <= 1) break;
  }
  if (hinted && !best.plan.index) fail(291, 'error processing query: the hinted index cannot answer this query');
  return best.plan;
}

function usable(index: Index, constraints: Constraint[], hinted: boolean): boolean {
  if (index.partial && !implies(constraints, index.partial)) return false;
  if (!index.sparse || hinted) return true;
  return index.fields.some(({ path }) =>
    constraints.some(({ needsField, path: given }) => given === path && needsField),
  );
}

function planFor(index: Index, constraints: Constraint[], sort: Sort | undefined): Plan {
  const all = index.fields.map(field => rangesOf(field, constraints));
  // Two conditions on one array may be met by different elements, so only the first array field of an index is bounded.
  const firstMultikey = all.findIndex((field, i) => field && index.fields[i]?.multikey);
  const ranges = all.map((field, i) => (i > firstMultikey && index.fields[i]?.multikey ? undefined : field));
  return { index, ranges, sorted: !sort || isSortedBy(index, ranges, sort) };
}

/** True if the index delivers the sort order. Fields bound to one value do not matter. */
function isSortedBy({ fields }: Index, ranges: (Range[] | undefined)[], sort: Sort): boolean {
  const fixed = fields.map(({ multikey }, i) => !multikey && ranges[i]?.length === 1 && ranges[i].every(isPoint));
  let at = 0;
  return sort.fields.every(wanted => {
    if (fields.some(({ path }, i) => path === wanted.path && fixed[i])) return true;
    while (fields[at] && fields[at]?.path !== wanted.path && fixed[at]) at++;
    const field = fields[at++];
    return field?.path === wanted.path && !field.multikey && field.descending === wanted.descending;
  });
}

/** Point combinations beyond this are estimated as one range. */
const MOST_POINTS = 256;

/** About how many keys a plan walks: for each combination of points, what lies in the first ranges behind it. */
function estimate({ keys, unique }: Index, ranges: (Range[] | undefined)[]): number {
  const [only] = ranges;
  if (unique && only && ranges.length === 1 && only.every(isPoint)) return only.length;
  let prefixes = [''];
  let last = [ALL];
  for (const field of ranges) {
    last = field ?? [ALL];
    if (!field?.every(isPoint) || prefixes.length * field.length > MOST_POINTS) break;
    prefixes = prefixes.flatMap(prefix => field.map(range => prefix + range.from));
    last = [ALL];
  }
  return prefixes
    .flatMap(prefix => last.map(({ from, to }) => keys.estimate(prefix + from, prefix + to)))
    .reduce((sum, count) => sum + count, 0);
}
