import { type Doc, doc } from './value.ts';

type Operation = 'insert' | 'query' | 'update' | 'delete' | 'getmore' | 'command';

const COUNTED_APART = new Set(['insert', 'find', 'update', 'delete', 'getMore']);

/** What serverStatus counts: a test or a benchmark can see from it how many commands something costs. */
export class Metrics {
  readonly #operations: Record<Operation, number> = {
    insert: 0,
    query: 0,
    update: 0,
    delete: 0,
    getmore: 0,
    command: 0,
  };
  readonly #commands = new Map<string, { total: number; failed: number }>();

  began(name: string): void {
    if (!COUNTED_APART.has(name)) this.#operations.command++;
  }

  ended(name: string, ok: boolean): void {
    let counts = this.#commands.get(name);
    if (!counts) {
      // Names come from clients: a stream of nonsense must not grow the map.
      if (this.#commands.size > 500) return;
      counts = { total: 0, failed: 0 };
      this.#commands.set(name, counts);
    }
    counts.total++;
    if (!ok) counts.failed++;
  }

  count(operation: Operation, n: number): void {
    this.#operations[operation] += n;
  }

  get opcounters(): Doc {
    return doc(Object.fromEntries(Object.entries(this.#operations).map(([name, n]) => [name, BigInt(n)])));
  }

  get commands(): Doc {
    return doc(
      Object.fromEntries(
        [...this.#commands].map(([name, { total, failed }]) => [
          name,
          doc({ failed: BigInt(failed), total: BigInt(total) }),
        ]),
      ),
    );
  }
}
