import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs } from '../monotonic.ts';
import type { Deed } from './chaos-payload.ts';

/**
 * One line of evidence, written before or after a handler does something. `worker` is the harness's name of the process that
 * holds the run; `pid` may be that of its child.
 */
export type AuditLine = {
  /** Monotonic milliseconds. */
  at: number;
  worker: string;
  pid: number;
  jobId: string;
  runKey: string;
} & (
  | { event: 'start'; key: string; attempt: number }
  | { event: 'end'; outcome: 'ok' | 'fail'; why?: 'planned' | 'aborted' }
  /** Before it does what may end its process, or hold it up. */
  | { event: 'deed'; act: Deed }
);

type Entry = AuditLine extends infer Line
  ? Line extends AuditLine
    ? Omit<Line, 'at' | 'worker' | 'pid'>
    : never
  : never;

/**
 * The evidence outside the system: one append-only file a process. Every line is one synchronous write, so it is with the
 * kernel before the handler goes on, and neither a kill nor a fault of MongoDB or Redis takes it back.
 */
export class AuditLog {
  readonly #file: number;
  readonly #worker: string;

  constructor(folder: string, worker: string) {
    this.#worker = worker;
    this.#file = openSync(join(folder, `${worker}-${process.pid}.jsonl`), 'a');
  }

  write(entry: Entry): void {
    const line = { ...entry, at: monotonicMs(), worker: this.#worker, pid: process.pid };
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

/** The lines of one file; a last line that a kill cut short is left out. */
export function parseAudit(text: string): AuditLine[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as AuditLine);
}
