interface Waiting<Item, Result> {
  item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Turns single writes into groups: one write is under way at a time, and what arrives meanwhile goes into the next one.
 * An idle group writes at once; a fixed window would cost throughput at low concurrency.
 */
export class GroupCommit<Item, Result> {
  readonly #write: (items: Item[]) => Promise<Result[]>;
  readonly #maxGroup: number;
  #waiting: Waiting<Item, Result>[] = [];
  #running: Promise<void> | null = null;

  /** `write` answers one result an item, in order; when it throws, every item of the group is rejected with that error. */
  constructor(options: { maxGroup: number; write: (items: Item[]) => Promise<Result[]> }) {
    this.#write = options.write;
    this.#maxGroup = options.maxGroup;
  }

  submit(item: Item): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  /** Resolves when nothing is waiting and nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #drain(): Promise<void> {
    // Let the current turn of the event loop end: what is submitted side by side belongs to one group.
    await new Promise(resolve => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#maxGroup);
      try {
        const results = await this.#write(group.map(entry => entry.item));
        if (results.length !== group.length) throw new Error(`${group.length} items, ${results.length} results`);
        for (const [index, entry] of group.entries()) entry.resolve(results[index] as Result);
      } catch (error) {
        for (const entry of group) entry.reject(error);
      }
    }
    this.#running = null;
  }
}
