/** Leaves are split at this size. Small enough that an insert moves little, large enough that the list of leaves stays short. */
const LEAF_MAX = 512;

interface Leaf<T> {
  keys: string[];
  items: T[];
}

interface Entry<T> {
  readonly key: string;
  readonly item: T;
}

/**
 * An ordered map from unique strings: a sorted list of sorted leaves. Two levels suffice (a million keys are some 3,000
 * leaves), and a range can be counted without being walked, which is what the planner estimates with.
 */
export class SortedKeys<T> {
  readonly #leaves: Leaf<T>[] = [{ keys: [], items: [] }];
  size = 0;

  /** Fills an empty map from entries in ascending order of their keys. */
  load(keys: string[], items: T[]): void {
    const step = (LEAF_MAX * 3) / 4;
    for (let i = 0; i < keys.length; i += step)
      this.#leaves[i / step] = { keys: keys.slice(i, i + step), items: items.slice(i, i + step) };
    this.size = keys.length;
  }

  /** Where a key is or belongs. */
  #place(key: string): { at: number; leaf: Leaf<T>; index: number } {
    const at = firstFrom(1, this.#leaves.length, i => ((this.#leaves[i] as Leaf<T>).keys[0] as string) > key) - 1;
    const leaf = this.#leaves[at] as Leaf<T>;
    return { at, leaf, index: firstFrom(0, leaf.keys.length, i => (leaf.keys[i] as string) >= key) };
  }

  add(key: string, item: T): void {
    const { at, leaf, index } = this.#place(key);
    const { keys, items } = leaf;
    const known = keys[index] === key ? 1 : 0;
    keys.splice(index, known, key);
    items.splice(index, known, item);
    this.size += 1 - known;
    if (keys.length <= LEAF_MAX) return;
    // Ascending inserts (ids, times) leave full leaves behind instead of half-full ones.
    const cut = index === LEAF_MAX ? LEAF_MAX - 16 : LEAF_MAX >> 1;
    this.#leaves.splice(at + 1, 0, { keys: keys.splice(cut), items: items.splice(cut) });
  }

  delete(key: string): void {
    const { at, leaf, index } = this.#place(key);
    if (leaf.keys[index] !== key) return;
    leaf.keys.splice(index, 1);
    leaf.items.splice(index, 1);
    this.size--;
    if (leaf.keys.length === 0 && this.#leaves.length > 1) this.#leaves.splice(at, 1);
  }

  /** About how many keys lie in [low, high]: exact within a leaf, by the average across leaves. */
  estimate(low: string, high: string): number {
    const [from, to] = [this.#place(low), this.#place(high)];
    if (from.at === to.at) return Math.max(0, to.index - from.index);
    const between = (to.at - from.at - 1) * (this.size / this.#leaves.length);
    return from.leaf.keys.length - from.index + to.index + between;
  }

  /** The first entry at or behind `key`, or only `behind` it. */
  first(key: string, behind = false): Entry<T> | undefined {
    const { at, leaf, index } = this.#place(key);
    const here = index + Number(behind && leaf.keys[index] === key);
    const [found, i] = here < leaf.keys.length ? [leaf, here] : [this.#leaves[at + 1], 0];
    const name = found?.keys[i];
    return name === undefined ? undefined : { key: name, item: found?.items[i] as T };
  }

  /** All entries from `key` on. The map may change meanwhile. */
  *from(key: string): Generator<Entry<T>> {
    for (let entry = this.first(key); entry; entry = this.first(entry.key, true)) yield entry;
  }
}

/** The first of low … high - 1 for which `is` holds (from it on it always does), or high. */
export function firstFrom(from: number, to: number, is: (index: number) => boolean): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
