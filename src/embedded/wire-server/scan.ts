import { AFTER, type Range } from './bounds.ts';
import type { Collection, Rec } from './collection.ts';
import type { IndexPlan, Plan } from './plan.ts';
import { componentEnd } from './value-order.ts';

/** What explain reports; counted where it happens. */
export interface Counters {
  keys: number;
  docs: number;
}

/** The records a plan leads to, each once, still unfiltered. Survives changes of the collection between two steps. */
export function* scan(collection: Collection, plan: Plan, counters: Counters): Generator<Rec> {
  if (plan.kind === 'scan') {
    yield* plan.backward ? [...collection.records.values()].reverse() : collection.records.values();
    return;
  }
  const branches = plan.kind === 'union' ? plan.branches : [plan];
  const seen = plan.kind === 'union' || branches.some(branch => branch.index.multikey) ? new Set<Rec>() : undefined;
  for (const branch of branches) {
    for (const rec of scanIndex(branch, counters)) {
      if (seen?.has(rec)) continue;
      seen?.add(rec);
      yield rec;
    }
  }
}

function* scanIndex(plan: IndexPlan, counters: Counters): Generator<Rec> {
  const { index, backward } = plan;
  if (plan.ranges.some(ranges => ranges?.length === 0)) return;
  const check = backward ? backwardCheck(plan) : forwardCheck(plan);
  const cursor = index.keys.cursor();
  let found = backward ? cursor.seekBack(plan.ranges[0]?.at(-1)?.to ?? AFTER) : cursor.seek(firstKey(plan.ranges));
  while (found) {
    const jump = check(cursor.key as string);
    if (jump === DONE) return;
    counters.keys++;
    if (jump === undefined) {
      yield cursor.item as Rec;
      found = backward ? cursor.previous() : cursor.next();
    } else found = backward ? cursor.seekBack(jump) : cursor.seek(jump);
  }
}

const DONE = Symbol('done');

/** undefined = the key is within the bounds; else where to go on. */
type Check = (key: string) => string | undefined | typeof DONE;

function firstKey(ranges: (Range[] | undefined)[], from = 0): string {
  let key = '';
  for (const field of ranges.slice(from)) {
    if (!field) break;
    key += (field[0] as Range).from;
  }
  return key;
}

const lastBounded = (plan: IndexPlan): number => plan.ranges.findLastIndex(ranges => ranges !== undefined);

/** Single values and then one range are one stretch of keys: one comparison decides. */
function stretchEnd(plan: IndexPlan): string | undefined {
  let prefix = '';
  const last = lastBounded(plan);
  for (let i = 0; i <= last; i++) {
    const ranges = plan.ranges[i];
    if (ranges?.length !== 1) return undefined;
    const range = ranges[0] as Range;
    if (i === last) return prefix + range.to;
    if (!range.point) return undefined;
    prefix += range.from;
  }
  return AFTER;
}

/**
 * Compares component by component and says where the next possible key is. So a bound behind an unbound field skips
 * from value to value of that field, as mongod does, and does not walk everything in between.
 */
function forwardCheck(plan: IndexPlan): Check {
  const end = stretchEnd(plan);
  if (end !== undefined) return key => (key < end ? undefined : DONE);
  const last = lastBounded(plan);
  const { fields } = plan.index;
  return key => {
    let at = 0;
    for (let i = 0; i <= last; i++) {
      const to = componentEnd(key, at, fields[i]?.descending === true);
      const ranges = plan.ranges[i];
      if (ranges) {
        const component = key.slice(at, to);
        const range = ranges[firstRange(ranges, component)];
        if (!range) return at === 0 ? DONE : key.slice(0, at) + AFTER;
        if (component < range.from) return key.slice(0, at) + range.from + firstKey(plan.ranges, i + 1);
      }
      at = to;
    }
    return undefined;
  };
}

/** The first range that does not end before the component. */
function firstRange(ranges: Range[], component: string): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as Range).to <= component) low = middle + 1;
    else high = middle;
  }
  return low;
}

function backwardCheck(plan: IndexPlan): Check {
  const last = lastBounded(plan);
  const { fields } = plan.index;
  return key => {
    let at = 0;
    for (let i = 0; i <= last; i++) {
      const to = componentEnd(key, at, fields[i]?.descending === true);
      const ranges = plan.ranges[i];
      if (ranges) {
        const component = key.slice(at, to);
        const range = ranges.findLast(candidate => candidate.from <= component);
        if (!range) return at === 0 ? DONE : key.slice(0, at);
        if (component >= range.to) return key.slice(0, at) + range.to;
      }
      at = to;
    }
    return undefined;
  };
}
