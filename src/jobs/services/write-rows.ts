import { TaskError } from '../task-error.ts';
import { csvEncoder, csvLine, isCells, ndjsonEncoder, type Row, type RowEncoder } from './encode-rows.ts';
import type { NewFile } from './new-file.ts';

export type RowSource = () => AsyncIterable<Row> | Iterable<Row>;

/** A row is at most a document of 16 MB; lines are gathered to this size before they go to the disk. */
const CHUNK_CHARACTERS = 64 * 1024;
const ROWS_PER_REPORT = 10_000;
const MAX_COLUMNS = 1_000;

export interface WriteRowsOptions {
  source: RowSource;
  format: 'csv' | 'ndjson';
  /** Columns in order; without them every field that occurs becomes one, which reads the source twice for CSV. */
  fields: readonly string[] | null;
  signal: AbortSignal;
  progress: (rows: number) => void;
}

/**
 * Writes rows one after the other into the file; memory stays flat, the disk sets the pace. Answers their number, the
 * header not counted.
 */
export async function writeRows(file: Pick<NewFile, 'write'>, options: WriteRowsOptions): Promise<number> {
  const { head, encode } = await encoderOf(options);
  let rows = 0;
  let chunk = head;
  for await (const row of options.source()) {
    chunk += encode(row);
    rows += 1;
    if (chunk.length >= CHUNK_CHARACTERS) {
      await file.write(Buffer.from(chunk));
      chunk = '';
      // Rows that are in memory already never leave the turn of the event loop; the signal gets its chance here.
      await nextTurn();
      options.signal.throwIfAborted();
    }
    if (rows % ROWS_PER_REPORT === 0) options.progress(rows);
  }
  options.signal.throwIfAborted();
  if (chunk !== '') await file.write(Buffer.from(chunk));
  return rows;
}

async function encoderOf(options: WriteRowsOptions): Promise<{ head: string; encode: RowEncoder }> {
  if (options.format === 'ndjson') return { head: '', encode: ndjsonEncoder(options.fields) };
  const columns = options.fields ?? (await columnsOf(options));
  return { head: columns === null ? '' : csvLine(columns), encode: csvEncoder(columns) };
}

/** Every field of every document, in order of appearance; null when the rows are cells, which have no names. */
async function columnsOf(options: WriteRowsOptions): Promise<string[] | null> {
  const columns = new Set<string>();
  let seen = 0;
  for await (const row of options.source()) {
    if (isCells(row)) return null;
    for (const name of Object.keys(row)) columns.add(name);
    if (columns.size > MAX_COLUMNS)
      throw new TaskError(`more than ${MAX_COLUMNS} columns: name the ones that are wanted in fields`, {
        retry: false,
      });
    seen += 1;
    if (seen % ROWS_PER_REPORT === 0) {
      await nextTurn();
      options.signal.throwIfAborted();
    }
  }
  return [...columns];
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
