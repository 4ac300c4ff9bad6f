import { AFTER, constraintsOf, implies, type Range, rangesOf } from './bounds.ts';
import type { Collection, Index } from './collection.ts';
import { fail } from './errors.ts';
import type { Node } from './match.ts';
import type { Sort } from './sort.ts';
import { asNumber, Doc, type Value } from './value.ts';
import { equal } from './value-order.ts';

export interface IndexPlan {
  readonly kind: 'index';
  readonly index: Index;
  /** Per index field; undefined = not bounded. */
  readonly ranges: (Range[] | undefined)[];
  readonly backward: boolean;
  /** The scan delivers the order that was asked for. */
  readonly sorted: boolean;
}

interface UnionPlan {
  readonly kind: 'union';
  readonly branches: IndexPlan[];
  readonly sorted: false;
}

interface ScanPlan {
  readonly kind: 'scan';
  readonly backward: boolean;
  readonly sorted: boolean;
}

export type Plan = IndexPlan | UnionPlan | ScanPlan;

export interface PlanRequest {
  readonly filter: Node;
  readonly sort?: Sort | undefined;
  readonly limit?: number;
  readonly hint?: Value | undefined;
}

/** Point combinations beyond this are estimated as one range. */
const MOST_POINTS = 256;

/** Chooses the access path by the number of keys it expects to walk. An index that bounds anything beats a whole scan. */
export function choosePlan(collection: Collection, request: PlanRequest): Plan {
  const { filter, sort, hint } = request;
  const natural = hint instanceof Doc ? hint.get('$natural') : undefined;
  if (natural !== undefined) return { kind: 'scan', backward: (asNumber(natural) ?? 1) < 0, sorted: !sort };
  const candidates = hint === undefined ? [...collection.indexes.values()] : [hintedIndex(collection, hint)];
  const constraints = constraintsOf(filter);
  let best: { plan: IndexPlan; cost: number } | undefined;
  for (const index of candidates) {
    if (!usable(index, constraints, hint !== undefined)) continue;
    const ranges = index.fields.map(field => rangesOf(field, constraints));
    const order = sort ? sortedBy(index, ranges, sort) : 'forward';
    if (hint === undefined && !ranges[0] && (!sort || !order)) continue;
    const plan: IndexPlan = {
      kind: 'index',
      index,
      ranges: onlyOneMultikey(index, ranges),
      backward: order === 'backward',
      sorted: order !== undefined,
    };
    const cost = costOf(plan, request);
    if (!best || cost < best.cost) best = { plan, cost };
  }
  if (best?.plan.ranges[0] || hint !== undefined)
    return (
      best?.plan ??
      fail(291, 'error processing query: planner returned error :: the hinted index cannot answer this query')
    );
  const union = hint === undefined ? unionOf(collection, request) : undefined;
  if (union) return union;
  return best?.plan ?? { kind: 'scan', backward: false, sorted: !sort };
}

function hintedIndex(collection: Collection, hint: Value): Index {
  for (const index of collection.indexes.values()) {
    if (typeof hint === 'string' ? index.name === hint : equal(index.spec.get('key') as Doc, hint)) return index;
  }
  return fail(
    2,
    'error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index',
  );
}

function usable(index: Index, constraints: ReturnType<typeof constraintsOf>, hinted: boolean): boolean {
  if (index.partial && !implies(constraints, index.partial)) return false;
  if (!index.sparse || hinted) return true;
  return index.fields.some(field =>
    constraints.some(constraint => constraint.path === field.path && constraint.needsField),
  );
}

/** Two conditions on one array may be met by different elements, so only the first array field of an index is bounded. */
function onlyOneMultikey(index: Index, ranges: (Range[] | undefined)[]): (Range[] | undefined)[] {
  let seen = false;
  return ranges.map((range, i) => {
    if (!range || !index.fields[i]?.multikey) return range;
    if (seen) return undefined;
    seen = true;
    return range;
  });
}

const isPoint = (ranges: Range[] | undefined): boolean => ranges?.length === 1 && (ranges[0] as Range).point;

/** In which direction the index delivers the sort order, if it does. Fields bound to one value do not matter. */
function sortedBy(index: Index, ranges: (Range[] | undefined)[], sort: Sort): 'forward' | 'backward' | undefined {
  let direction: 'forward' | 'backward' | undefined;
  let at = 0;
  const fixed = (path: string) =>
    index.fields.some((field, i) => field.path === path && !field.multikey && isPoint(ranges[i]));
  for (const wanted of sort.fields) {
    if (fixed(wanted.path)) continue;
    while (
      index.fields[at] &&
      index.fields[at]?.path !== wanted.path &&
      isPoint(ranges[at]) &&
      !index.fields[at]?.multikey
    )
      at++;
    const field = index.fields[at++];
    if (!field || field.path !== wanted.path || field.multikey) return undefined;
    const needed = field.descending === wanted.direction < 0 ? 'forward' : 'backward';
    if (direction && direction !== needed) return undefined;
    direction = needed;
  }
  return direction ?? 'forward';
}

function costOf(plan: IndexPlan, { sort, limit = 0 }: PlanRequest): number {
  const keys = estimate(plan);
  if (!sort) return keys;
  if (!plan.sorted) return keys * 1.5 + 1;
  return limit > 0 ? Math.min(keys, limit * 4) : keys;
}

function estimate({ index, ranges }: IndexPlan): number {
  let prefixes = [''];
  for (const field of ranges) {
    if (!field) break;
    if (!field.every(range => range.point) || prefixes.length * field.length > MOST_POINTS) {
      return prefixes.reduce(
        (sum, prefix) =>
          sum + field.reduce((keys, range) => keys + index.keys.estimate(prefix + range.from, prefix + range.to), 0),
        0,
      );
    }
    prefixes = prefixes.flatMap(prefix => field.map(range => prefix + range.from));
  }
  return prefixes.reduce((sum, prefix) => sum + index.keys.estimate(prefix, prefix + AFTER), 0);
}

/** `$or` whose every branch has an index of its own. */
function unionOf(collection: Collection, { filter }: PlanRequest): UnionPlan | undefined {
  const or =
    filter.kind === 'or'
      ? filter
      : filter.kind === 'and'
        ? filter.children.find(child => child.kind === 'or')
        : undefined;
  if (!or) return undefined;
  const branches: IndexPlan[] = [];
  for (const child of or.children) {
    const plan = choosePlan(collection, { filter: child });
    if (plan.kind === 'index') branches.push(plan);
    else if (plan.kind === 'union') branches.push(...plan.branches);
    else return undefined;
  }
  return { kind: 'union', branches, sorted: false };
}
