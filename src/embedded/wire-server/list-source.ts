import { toBytes } from './codec.ts';
import type { CursorSource } from './cursors.ts';
import { Doc } from './value.ts';

/** No batch gets longer, so that a reply always fits into a message. */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024 - 1024;

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
    const batch: Doc[] = [];
    let total = 0;
    while (!this.done && (size === 0 || batch.length < size)) {
      const bytes = toBytes(this.#list[this.#at] as Doc);
      total += bytes.length;
      if (batch.length > 0 && total > MAX_BATCH_BYTES) break;
      batch.push(Doc.fromBytes(bytes));
      this.#at++;
    }
    return Promise.resolve(batch);
  }
}
