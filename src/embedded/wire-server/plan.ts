import { AFTER, type Constraint, constraintsOf, implies, type Range, rangesOf } from './bounds.ts';
import { type Collection, findIndex, type Index } from './collection.ts';
import { fail } from './errors.ts';
import type { Node } from './match.ts';
import type { Sort } from './sort.ts';
import { asNumber, Doc, type Value } from './value.ts';

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

interface PlanRequest {
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
  const hinted = hint === undefined ? undefined : findIndex(collection, hint);
  if (hint !== undefined && !hinted)
    fail(2, 'error processing query: planner returned error: hint provided does not correspond to an existing index');
  const constraints = constraintsOf(filter);
  let best: { plan: IndexPlan; cost: number } | undefined;
  for (const index of hinted ? [hinted] : collection.indexes.values()) {
    const plan = usable(index, constraints, hinted !== undefined) ? planFor(index, constraints, sort) : undefined;
    if (!plan || (!hinted && !plan.ranges[0] && !(sort && plan.sorted))) continue;
    const cost = costOf(plan, request);
    if (!best || cost < best.cost) best = { plan, cost };
  }
  if (hinted && !best) fail(291, 'error processing query: the hinted index cannot answer this query');
  if (hinted || best?.plan.ranges[0]) return (best as { plan: IndexPlan }).plan;
  return unionOf(collection, filter) ?? best?.plan ?? { kind: 'scan', backward: false, sorted: !sort };
}

function usable(index: Index, constraints: Constraint[], hinted: boolean): boolean {
  if (index.partial && !implies(constraints, index.partial)) return false;
  if (!index.sparse || hinted) return true;
  return index.fields.some(({ path }) =>
    constraints.some(({ needsField, path: given }) => given === path && needsField),
  );
}

function planFor(index: Index, constraints: Constraint[], sort: Sort | undefined): IndexPlan {
  const all = index.fields.map(field => rangesOf(field, constraints));
  const order = sort ? sortedBy(index, all, sort) : 'forward';
  // Two conditions on one array may be met by different elements, so only the first array field of an index is bounded.
  const firstMultikey = all.findIndex((field, i) => field && index.fields[i]?.multikey);
  const ranges = all.map((field, i) => (i > firstMultikey && index.fields[i]?.multikey ? undefined : field));
  return { kind: 'index', index, ranges, backward: order === 'backward', sorted: order !== undefined };
}

/** In which direction the index delivers the sort order, if it does. Fields bound to one value do not matter. */
function sortedBy({ fields }: Index, ranges: (Range[] | undefined)[], sort: Sort): 'forward' | 'backward' | undefined {
  const fixed = fields.map(({ multikey }, i) => !multikey && ranges[i]?.length === 1 && ranges[i][0]?.point);
  let direction: 'forward' | 'backward' | undefined;
  let at = 0;
  for (const wanted of sort.fields) {
    if (fields.some(({ path }, i) => path === wanted.path && fixed[i])) continue;
    while (fields[at] && fields[at]?.path !== wanted.path && fixed[at]) at++;
    const field = fields[at++];
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

/** About how many keys a plan walks: for each combination of points, what lies in the first ranges behind it. */
function estimate({ index, ranges }: IndexPlan): number {
  let prefixes = [''];
  let last: { from: string; to: string }[] = [{ from: '', to: AFTER }];
  for (const field of ranges) {
    if (!field) break;
    if (!field.every(range => range.point) || prefixes.length * field.length > MOST_POINTS) {
      last = field;
      break;
    }
    prefixes = prefixes.flatMap(prefix => field.map(range => prefix + range.from));
  }
  let keys = 0;
  for (const prefix of prefixes)
    for (const { from, to } of last) keys += index.keys.estimate(prefix + from, prefix + to);
  return keys;
}

/** `$or` whose every branch has an index of its own. */
function unionOf(collection: Collection, filter: Node): UnionPlan | undefined {
  const or = [filter, ...(filter.kind === 'and' ? filter.children : [])].find(node => node.kind === 'or');
  if (!or) return undefined;
  const plans = or.children.map(child => choosePlan(collection, { filter: child }));
  if (plans.some(plan => plan.kind === 'scan')) return undefined;
  const branches = plans.flatMap(plan => (plan.kind === 'union' ? plan.branches : plan.kind === 'index' ? [plan] : []));
  return { kind: 'union', branches, sorted: false };
}
