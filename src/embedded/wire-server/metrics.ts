import { type Doc, doc } from './value.ts';

const COUNTED_APART = new Set(['insert', 'find', 'update', 'delete', 'getMore']);

/** What serverStatus counts: a test or a benchmark can see from it how many commands something costs. */
export class Metrics {
  readonly #operations = { insert: 0, query: 0, update: 0, delete: 0, getmore: 0, command: 0 };
  readonly #commands = new Map<string, { total: number; failed: number }>();

  ended(name: string, ok: boolean): void {
    if (!COUNTED_APART.has(name)) this.#operations.command++;
    const { total, failed } = this.#commands.get(name) ?? { total: 0, failed: 0 };
    // Names come from clients: a stream of nonsense must not grow the map.
    if (total > 0 || this.#commands.size < 500)
      this.#commands.set(name, { total: total + 1, failed: failed + Number(!ok) });
  }

  count(operation: 'insert' | 'query' | 'update' | 'delete' | 'getmore', n: number): void {
    this.#operations[operation] += n;
  }

  get opcounters(): Doc {
    return doc(Object.fromEntries(Object.entries(this.#operations).map(([name, n]) => [name, BigInt(n)])));
  }

  get commands(): Doc {
    const counts = [...this.#commands].map(([name, { total, failed }]) => [
      name,
      { failed: BigInt(failed), total: BigInt(total) },
    ]);
    return doc(Object.fromEntries(counts) as Record<string, Doc>);
  }
}
