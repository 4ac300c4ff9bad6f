import type { CursorSource } from './cursors.ts';
import type { Doc } from './value.ts';

/** A cursor over documents that are all there already. */
export class ListSource implements CursorSource {
  readonly #list: Doc[];
  #at = 0;

  constructor(list: Doc[]) {
    this.#list = list;
  }

  get done(): boolean {
    return this.#at >= this.#list.length;
  }

  next(size: number): Promise<Doc[]> {
    const batch = this.#list.slice(this.#at, size > 0 ? this.#at + size : undefined);
    this.#at += batch.length;
    return Promise.resolve(batch);
  }
}
