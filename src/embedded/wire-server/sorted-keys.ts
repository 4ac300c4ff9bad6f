/** Leaves are split at this size. Small enough that an insert moves little, large enough that the list of leaves stays short. */
const LEAF_MAX = 512;

interface Leaf<T> {
  keys: string[];
  items: T[];
}

/**
 * An ordered map from unique strings: a sorted list of sorted leaves. Two levels suffice (a million keys are some 3,000
 * leaves), and a range can be counted without being walked, which is what the planner estimates with.
 */
export class SortedKeys<T> {
  readonly leaves: Leaf<T>[] = [{ keys: [], items: [] }];
  size = 0;
  /** Grows with every change; a cursor compares it to know that its place is still right. */
  version = 0;

  /** Fills an empty map from entries in ascending order of their keys. */
  load(keys: string[], items: T[]): void {
    const step = (LEAF_MAX * 3) / 4;
    for (let i = 0; i < keys.length; i += step)
      this.leaves[i / step] = { keys: keys.slice(i, i + step), items: items.slice(i, i + step) };
    this.size = keys.length;
    this.version++;
  }

  /** Where a key is or belongs. */
  place(key: string): { leaf: number; index: number } {
    const leaf = firstFrom(1, this.leaves.length, i => ((this.leaves[i] as Leaf<T>).keys[0] as string) > key) - 1;
    const { keys } = this.leaves[leaf] as Leaf<T>;
    return { leaf, index: firstFrom(0, keys.length, i => (keys[i] as string) >= key) };
  }

  add(key: string, item: T): void {
    const { leaf: at, index } = this.place(key);
    const { keys, items } = this.leaves[at] as Leaf<T>;
    const known = keys[index] === key ? 1 : 0;
    keys.splice(index, known, key);
    items.splice(index, known, item);
    this.version++;
    this.size += 1 - known;
    if (keys.length <= LEAF_MAX) return;
    // Ascending inserts (ids, times) leave full leaves behind instead of half-full ones.
    const cut = index === LEAF_MAX ? LEAF_MAX - 16 : LEAF_MAX >> 1;
    this.leaves.splice(at + 1, 0, { keys: keys.splice(cut), items: items.splice(cut) });
  }

  delete(key: string): void {
    const { leaf: at, index } = this.place(key);
    const { keys, items } = this.leaves[at] as Leaf<T>;
    if (keys[index] !== key) return;
    keys.splice(index, 1);
    items.splice(index, 1);
    this.size--;
    this.version++;
    if (keys.length === 0 && this.leaves.length > 1) this.leaves.splice(at, 1);
  }

  /** About how many keys lie in [low, high]: exact within a leaf, by the average across leaves. */
  estimate(low: string, high: string): number {
    const from = this.place(low);
    const to = this.place(high);
    if (from.leaf === to.leaf) return Math.max(0, to.index - from.index);
    const between = (to.leaf - from.leaf - 1) * (this.size / this.leaves.length);
    return (this.leaves[from.leaf] as Leaf<T>).keys.length - from.index + to.index + between;
  }

  cursor(): Cursor<T> {
    return new Cursor(this);
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

/** Walks a map in either direction. After a change of the map it finds its place again by its last key. */
export class Cursor<T> {
  readonly #map: SortedKeys<T>;
  #leaf = 0;
  #index = 0;
  #version = -1;
  key: string | undefined;
  item: T | undefined;

  constructor(map: SortedKeys<T>) {
    this.#map = map;
  }

  /** Goes to the first key >= `key`, or back to the last one <= `key`; false if there is none. */
  seek(key: string, back = false): boolean {
    const { leaf, index } = this.#map.place(key);
    const past = back && this.#map.leaves[leaf]?.keys[index] !== key;
    return this.#settle(leaf, past ? index - 1 : index);
  }

  next(back = false): boolean {
    if (this.#version === this.#map.version) return this.#settle(this.#leaf, this.#index + (back ? -1 : 1));
    const last = this.key as string;
    return this.seek(last, back) && (this.key !== last || this.next(back));
  }

  #settle(leafAt: number, at: number): boolean {
    const { leaves, version } = this.#map;
    let leaf = leafAt;
    let index = at;
    while (index >= (leaves[leaf] as Leaf<T>).keys.length && leaf + 1 < leaves.length) {
      leaf++;
      index = 0;
    }
    while (index < 0 && leaf > 0) index = (leaves[--leaf] as Leaf<T>).keys.length - 1;
    this.#leaf = leaf;
    this.#index = index;
    this.#version = version;
    this.key = leaves[leaf]?.keys[index];
    this.item = leaves[leaf]?.items[index];
    return this.key !== undefined;
  }
}
