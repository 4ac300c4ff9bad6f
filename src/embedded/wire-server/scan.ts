import { AFTER, Bounds } from '../documents/key-ranges.ts';
import type { Collection, Rec } from './collection.ts';
import type { Plan } from './plan.ts';

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
  const bounds = new Bounds(index.fields, ranges);
  const { first } = bounds;
  let entry = first === undefined ? undefined : index.keys.first(first);
  while (entry) {
    const { key, item: rec } = entry;
    const jump = bounds.jumpFrom(key);
    if (jump === AFTER) return;
    counters.keys++;
    if (jump === undefined && !seen?.has(rec)) {
      seen?.add(rec);
      yield rec;
    }
    entry = jump === undefined ? index.keys.after(entry) : index.keys.first(jump);
  }
}
