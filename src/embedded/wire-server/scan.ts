import { AFTER, type Range } from './bounds.ts';
import type { Collection, Rec } from './collection.ts';
import type { IndexPlan, Plan } from './plan.ts';
import { firstFrom } from './sorted-keys.ts';
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

const DONE = Symbol('done');

/** undefined = the key is within the bounds; else where to go on. */
type Check = (key: string) => string | undefined | typeof DONE;

function* scanIndex(plan: IndexPlan, counters: Counters): Generator<Rec> {
  const { index, backward, ranges } = plan;
  if (ranges.some(field => field?.length === 0)) return;
  const end = backward ? undefined : stretchEnd(plan);
  const check: Check = end === undefined ? componentCheck(plan) : key => (key < end ? undefined : DONE);
  const cursor = index.keys.cursor();
  let found = cursor.seek(backward ? (ranges[0]?.at(-1)?.to ?? AFTER) : firstKey(ranges), backward);
  while (found) {
    const jump = check(cursor.key as string);
    if (jump === DONE) return;
    counters.keys++;
    if (jump === undefined) {
      yield cursor.item as Rec;
      found = cursor.next(backward);
    } else found = cursor.seek(jump, backward);
  }
}

function firstKey(ranges: (Range[] | undefined)[], from = 0): string {
  let key = '';
  for (let i = from; ranges[i]; i++) key += ranges[i]?.[0]?.from ?? '';
  return key;
}

const lastBounded = (plan: IndexPlan): number => plan.ranges.findLastIndex(ranges => ranges !== undefined);

/** Single values and then one range are one stretch of keys: one comparison decides. */
function stretchEnd(plan: IndexPlan): string | undefined {
  let prefix = '';
  const last = lastBounded(plan);
  for (let i = 0; i <= last; i++) {
    const [range, ...more] = plan.ranges[i] ?? [];
    if (!range || more.length) return undefined;
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
function componentCheck(plan: IndexPlan): Check {
  const last = lastBounded(plan);
  const { fields } = plan.index;
  return key => {
    let at = 0;
    for (let i = 0; i <= last; i++) {
      const to = componentEnd(key, at, fields[i]?.descending === true);
      const ranges = plan.ranges[i];
      if (ranges) {
        const prefix = key.slice(0, at);
        const component = key.slice(at, to);
        // The first range that does not end before the component.
        const next = firstFrom(0, ranges.length, n => (ranges[n] as Range).to > component);
        const range = ranges[next];
        if (!range || component < range.from) {
          if (!plan.backward) return range ? prefix + range.from + firstKey(plan.ranges, i + 1) : after(prefix);
          const before = ranges[next - 1];
          return before ? prefix + before.to : prefix || DONE;
        }
      }
      at = to;
    }
    return undefined;
  };
}

const after = (prefix: string) => (prefix ? prefix + AFTER : DONE);
