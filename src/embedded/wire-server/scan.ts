import { firstFrom } from '../documents/sorted-keys.ts';
import { componentEnd } from '../documents/value-order.ts';
import type { Collection, Rec } from './collection.ts';
import { AFTER, type Plan, type Range } from './plan.ts';

/** What explain reports; counted where it happens. */
export interface Counters {
  keys: number;
  docs: number;
}

/** The records a plan leads to, each once, still unfiltered. Survives changes of the collection between two steps. */
export function* scan(collection: Collection, plan: Plan, counters: Counters): Generator<Rec> {
  const { index, ranges } = plan;
  if (!index) {
    yield* collection.records.values();
    return;
  }
  const seen = index.multikey ? new Set<Rec>() : undefined;
  if (ranges.some(field => field?.length === 0)) return;
  let entry = index.keys.first(firstKey(ranges, 0));
  while (entry) {
    const { key, item: rec } = entry;
    const jump = jumpFrom(key, plan);
    if (jump === AFTER) return;
    counters.keys++;
    if (jump === undefined && !seen?.has(rec)) {
      seen?.add(rec);
      yield rec;
    }
    entry = index.keys.first(jump ?? key, jump === undefined);
  }
}

function firstKey(ranges: (Range[] | undefined)[], from: number): string {
  let key = '';
  for (let i = from; ranges[i]; i++) key += ranges[i]?.[0]?.from ?? '';
  return key;
}

/**
 * undefined = the key is within the bounds; else where the next possible key is, component by component. So a bound
 * behind an unbound field skips from value to value of that field, as mongod does, and does not walk all in between.
 */
function jumpFrom(key: string, { index, ranges }: Plan): string | undefined {
  const last = ranges.findLastIndex(field => field !== undefined);
  let at = 0;
  for (let i = 0; i <= last; i++) {
    const to = componentEnd(key, at, index?.fields[i]?.descending === true);
    const field = ranges[i];
    if (field) {
      const component = key.slice(at, to);
      // The first range that does not end before the component.
      const range = field[firstFrom(0, field.length, n => (field[n] as Range).to > component)];
      const prefix = key.slice(0, at);
      if (!range) return prefix + AFTER;
      if (component < range.from) return prefix + range.from + firstKey(ranges, i + 1);
    }
    at = to;
  }
  return undefined;
}
