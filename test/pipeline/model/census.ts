/** How often things happened: a generator that is too tame shows here. */
export class Census {
  readonly #counts = new Map<string, number>();

  count(what: string, times = 1): void {
    this.#counts.set(what, this.of(what) + times);
  }

  add(other: Census): void {
    for (const [what, times] of other.#counts) this.count(what, times);
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }
}
