/** Leaves are split at this size. Small enough that an insert moves little, large enough that the list of leaves stays short. */
const LEAF_MAX = 512;

interface Leaf<T> {
  keys: string[];
  items: T[];
}

interface Entry<T> {
  readonly key: string;
  readonly item: T;
  /** Where it was found. */
  readonly leaf: Leaf<T>;
  readonly index: number;
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

  /** The first entry at or behind `key`. */
  first(key: string): Entry<T> | undefined {
    const { at, leaf, index } = this.#place(key);
    return this.#entry(at, leaf, index);
  }

  /** The entry behind another one, which may have been removed meanwhile. */
  after({ key, leaf, index }: Entry<T>): Entry<T> | undefined {
    // As long as it stands where it was found, nothing has to be searched for.
    if (leaf.keys[index] === key && index + 1 < leaf.keys.length) return entryAt(leaf, index + 1);
    const place = this.#place(key);
    return this.#entry(place.at, place.leaf, place.index + Number(place.leaf.keys[place.index] === key));
  }

  #entry(at: number, leaf: Leaf<T>, index: number): Entry<T> | undefined {
    if (index < leaf.keys.length) return entryAt(leaf, index);
    const next = this.#leaves[at + 1];
    return next && entryAt(next, 0);
  }

  /** All entries from `key` on. The map may change meanwhile. */
  *from(key: string): Generator<Entry<T>> {
    for (let entry = this.first(key); entry; entry = this.after(entry)) yield entry;
  }
}

const entryAt = <T>(leaf: Leaf<T>, index: number): Entry<T> => ({
  key: leaf.keys[index] as string,
  item: leaf.items[index] as T,
  leaf,
  index,
});

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
