/** A row of an export: a document, or cells in order. */
export type Row = Readonly<Record<string, unknown>> | readonly unknown[];
export type RowEncoder = (row: Row) => string;

/** What a spreadsheet may read as the start of a formula, its full-width forms included. */
const FORMULA_START = /^[=+\-@\t\r\n＝＋－＠]/;
const NEEDS_QUOTES = /[",\r\n]|^\s|\s$/;

/**
 * One cell of RFC 4180. Text that a spreadsheet would run as a formula gets a `'` in front and quotes around; numbers are
 * no text and stay as they are, so that -1 remains a number.
 */
function csvCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  const text = textOf(value);
  if (FORMULA_START.test(text)) return quoted(`'${text}`);
  return NEEDS_QUOTES.test(text) ? quoted(text) : text;
}

export function csvLine(cells: readonly unknown[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** CSV of documents needs `columns`; rows of cells are written in their order. */
export function csvEncoder(columns: readonly string[] | null): RowEncoder {
  return row => csvLine(isCells(row) ? row : (columns ?? []).map(column => valueAt(row, column)));
}

/** One JSON text a line: the whole document, or the named fields of it; cells become an object when fields name them. */
export function ndjsonEncoder(fields: readonly string[] | null): RowEncoder {
  return row => `${JSON.stringify(fields === null ? row : pick(row, fields), plain)}\n`;
}

export function isCells(row: Row): row is readonly unknown[] {
  return Array.isArray(row);
}

function pick(row: Row, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    fields.map((field, index) => [field, (isCells(row) ? row[index] : valueAt(row, field)) ?? null]),
  );
}

/** The value of `a.b.c`; own properties only, undefined where the path ends early. */
function valueAt(row: Readonly<Record<string, unknown>>, field: string): unknown {
  let value: unknown = row;
  for (const name of field.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '' : value.toISOString();
  const json = JSON.stringify(value, plain) ?? '';
  // ObjectIds and the like have a JSON form that is a string: it goes without its quotes.
  return json.startsWith('"') ? (JSON.parse(json) as string) : json;
}

/** JSON has no word for a BigInt; its digits are kept as text. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
