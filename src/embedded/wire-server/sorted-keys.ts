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
  #leaves: Leaf<T>[] = [{ keys: [], items: [] }];
  size = 0;
  /** Grows with every change; a cursor compares it to know that its place is still right. */
  version = 0;

  /** Fills an empty map from entries in ascending order of their keys. */
  load(keys: string[], items: T[]): void {
    const step = (LEAF_MAX * 3) / 4;
    this.#leaves = [];
    for (let i = 0; i < keys.length; i += step)
      this.#leaves.push({ keys: keys.slice(i, i + step), items: items.slice(i, i + step) });
    if (this.#leaves.length === 0) this.#leaves.push({ keys: [], items: [] });
    this.size = keys.length;
    this.version++;
  }

  /** The leaf where a key is or belongs. */
  #leafOf(key: string): number {
    const leaves = this.#leaves;
    let low = 0;
    let high = leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (((leaves[middle] as Leaf<T>).keys[0] as string) <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  add(key: string, item: T): void {
    const at = this.#leafOf(key);
    const leaf = this.#leaves[at] as Leaf<T>;
    const index = lowerBound(leaf.keys, key);
    this.version++;
    if (leaf.keys[index] === key) {
      leaf.items[index] = item;
      return;
    }
    leaf.keys.splice(index, 0, key);
    leaf.items.splice(index, 0, item);
    this.size++;
    if (leaf.keys.length <= LEAF_MAX) return;
    // Ascending inserts (ids, times) leave full leaves behind instead of half-full ones.
    const cut = index === LEAF_MAX ? LEAF_MAX - 16 : LEAF_MAX >> 1;
    this.#leaves.splice(at + 1, 0, { keys: leaf.keys.splice(cut), items: leaf.items.splice(cut) });
  }

  delete(key: string): void {
    const at = this.#leafOf(key);
    const leaf = this.#leaves[at] as Leaf<T>;
    const index = lowerBound(leaf.keys, key);
    if (leaf.keys[index] !== key) return;
    leaf.keys.splice(index, 1);
    leaf.items.splice(index, 1);
    this.size--;
    this.version++;
    if (leaf.keys.length === 0 && this.#leaves.length > 1) this.#leaves.splice(at, 1);
  }

  /** About how many keys lie in [low, high]: exact within a leaf, by the average across leaves. */
  estimate(low: string, high: string): number {
    const from = this.#leafOf(low);
    const to = this.#leafOf(high);
    const fromIndex = lowerBound((this.#leaves[from] as Leaf<T>).keys, low);
    const toIndex = lowerBound((this.#leaves[to] as Leaf<T>).keys, high);
    if (from === to) return Math.max(0, toIndex - fromIndex);
    return (
      (this.#leaves[from] as Leaf<T>).keys.length -
      fromIndex +
      toIndex +
      (to - from - 1) * (this.size / this.#leaves.length)
    );
  }

  cursor(): Cursor<T> {
    return new Cursor(this);
  }

  /** For cursors: the leaf at a place, and the place of the first key >= `key`. */
  leafAt(index: number): { keys: string[]; items: T[] } | undefined {
    return this.#leaves[index];
  }

  place(key: string): { leaf: number; index: number } {
    const leaf = this.#leafOf(key);
    return { leaf, index: lowerBound((this.#leaves[leaf] as Leaf<T>).keys, key) };
  }
}

function lowerBound(keys: string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
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

  /** Goes to the first key >= `key`. */
  seek(key: string): boolean {
    const { leaf, index } = this.#map.place(key);
    return this.#settle(leaf, index);
  }

  /** Goes to the last key <= `key`. */
  seekBack(key: string): boolean {
    const { leaf, index } = this.#map.place(key);
    const exact = this.#map.leafAt(leaf)?.keys[index] === key;
    return this.#settle(leaf, exact ? index : index - 1);
  }

  next(): boolean {
    if (this.#version === this.#map.version) return this.#settle(this.#leaf, this.#index + 1);
    const last = this.key as string;
    return this.seek(last) && (this.key !== last || this.next());
  }

  previous(): boolean {
    if (this.#version === this.#map.version) return this.#settle(this.#leaf, this.#index - 1);
    const last = this.key as string;
    return this.seekBack(last) && (this.key !== last || this.previous());
  }

  #settle(leafAt: number, at: number): boolean {
    let leaf = leafAt;
    let index = at;
    let keys = this.#map.leafAt(leaf)?.keys ?? [];
    while (index >= keys.length && this.#map.leafAt(leaf + 1)) {
      leaf++;
      index = 0;
      keys = this.#map.leafAt(leaf)?.keys ?? [];
    }
    while (index < 0 && leaf > 0) {
      leaf--;
      keys = this.#map.leafAt(leaf)?.keys ?? [];
      index = keys.length - 1;
    }
    this.#leaf = leaf;
    this.#index = index;
    this.#version = this.#map.version;
    this.key = keys[index];
    this.item = this.#map.leafAt(leaf)?.items[index];
    return this.key !== undefined;
  }
}
