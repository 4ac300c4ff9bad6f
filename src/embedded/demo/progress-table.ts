import type { TypeRow } from './job-follower.ts';

export interface Progress {
  rows: readonly TypeRow[];
  /** Jobs that each worker finished. */
  workers: readonly number[];
  seconds: number;
}

const COLUMNS = ['jobs', 'pending', 'processing', 'completed', 'failed', 'retried'] as const;
const REPORT_EVERY_MS = 2_000;

/** Lines of the table, without colours. */
function tableLines({ rows, workers, seconds }: Progress): string[] {
  const head = ['type', ...COLUMNS];
  const body = rows.map(row => [row.type, ...COLUMNS.map(column => String(row[column]))]);
  const total = ['all', ...COLUMNS.map(column => String(sum(rows, column)))];
  const widths = head.map((title, n) =>
    Math.max(...[head, ...body, total].map(cells => cells[n]!.length), title.length),
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, n) => (n === 0 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]! + 2))).join('');
  const rule = '─'.repeat(line(head).length);
  const shares = workers.map((count, n) => `worker ${n + 1} finished ${count}`).join(' · ');
  return [line(head), rule, ...body.map(line), rule, line(total), `${seconds.toFixed(1)} s${shares && ` · ${shares}`}`];
}

/** Redraws the table in a terminal; elsewhere writes a line every two seconds. */
export class ProgressScreen {
  readonly #out: NodeJS.WriteStream;
  readonly #redraws: boolean;
  #drawn = 0;
  #nextReport = 0;

  constructor(out: NodeJS.WriteStream, redraws: boolean) {
    this.#out = out;
    this.#redraws = redraws;
  }

  show(progress: Progress): void {
    if (this.#redraws) {
      this.#redraw(tableLines(progress));
      return;
    }
    const now = performance.now();
    if (now < this.#nextReport || progress.rows.length === 0) return;
    this.#nextReport = now + REPORT_EVERY_MS;
    const counts = COLUMNS.map(column => `${sum(progress.rows, column)} ${column}`);
    this.#out.write(`${progress.seconds.toFixed(1).padStart(5)} s  ${counts.join(' · ')}\n`);
  }

  /** The whole table, once, at the end. */
  finish(progress: Progress): void {
    if (this.#redraws) this.#redraw(tableLines(progress));
    else this.#out.write(`${tableLines(progress).join('\n')}\n`);
  }

  #redraw(lines: readonly string[]): void {
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    this.#out.write(`${up}${lines.map(line => `\x1b[2K${line}\n`).join('')}`);
    this.#drawn = lines.length;
  }
}

function sum(rows: readonly TypeRow[], column: (typeof COLUMNS)[number]): number {
  return rows.reduce((total, row) => total + row[column], 0);
}
