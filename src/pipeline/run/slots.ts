/** Room for running handlers: one counting semaphore a process, shared by its lanes. First come, first served. */
export class Slots {
  readonly size: number;
  #free: number;
  readonly #waiting: (() => void)[] = [];
  readonly #onFreed: () => void;

  constructor(size: number, onFreed: () => void) {
    this.size = size;
    this.#free = size;
    this.#onFreed = onFreed;
  }

  get free(): number {
    return this.#free;
  }

  /** How many wait for a free one. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async acquire(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next) {
      next();
      return;
    }
    this.#free += 1;
    this.#onFreed();
  }
}
