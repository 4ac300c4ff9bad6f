import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MutantRecord } from '../mutants/hunt.ts';
import { describeMutants } from './describe-mutants.ts';
import { describeRows } from './describe-rows.ts';
import { hasPassed, type ScenarioRecord } from './records.ts';

/** The page, and what its tables are made of. */
const PAGE = 'docs/faults.md';
const ROWS = 'docs/faults.json';
const MUTANTS = 'docs/faults-mutants.json';

export function readPublished(repositoryDir: string): ScenarioRecord[] {
  return readJson(join(repositoryDir, ROWS));
}

export function readPublishedMutants(repositoryDir: string): MutantRecord[] {
  return readJson(join(repositoryDir, MUTANTS));
}

/**
 * Puts records into `docs/faults.json`, each in the place of an earlier one of its scenario, and the table into the page.
 * What says less does not replace what says more: a row that was skipped one that ran, a smaller round a larger one. What
 * broke is always told.
 */
export function publish(repositoryDir: string, records: readonly ScenarioRecord[], order: readonly string[]): void {
  const merged = new Map(readPublished(repositoryDir).map(record => [record.scenario, record]));
  for (const record of records) {
    if (saysAsMuch(record, merged.get(record.scenario))) merged.set(record.scenario, withoutExamples(record));
  }
  const known = [...merged.values()].filter(({ scenario }) => order.includes(scenario));
  known.sort((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario));
  writeJson(join(repositoryDir, ROWS), known);
  changePage(repositoryDir, page => withTable(page, known));
}

export function saysAsMuch(record: ScenarioRecord, earlier: ScenarioRecord | undefined): boolean {
  if (earlier === undefined || earlier.skipped !== null) return true;
  if (record.skipped !== null) return false;
  return record.scale >= earlier.scale || !hasPassed(record);
}

/** Puts the records of all mutants into `docs/faults-mutants.json`, and their table into the page. */
export function publishMutants(repositoryDir: string, records: readonly MutantRecord[]): void {
  writeJson(join(repositoryDir, MUTANTS), records);
  changePage(repositoryDir, page => withMutants(page, records));
}

/** @throws Error when the page has no place for the table. */
export function withTable(page: string, records: readonly ScenarioRecord[]): string {
  return withBlock(page, 'faults', describeRows(records));
}

/** @throws Error when the page has no place for the table. */
export function withMutants(page: string, records: readonly MutantRecord[]): string {
  return withBlock(page, 'mutants', describeMutants(records));
}

function withBlock(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${PAGE} has no ${begin} … ${end}`);
  return `${before}${begin}\n${text}\n${end}${after}`;
}

function changePage(repositoryDir: string, change: (page: string) => string): void {
  const page = join(repositoryDir, PAGE);
  writeFileSync(page, change(readFileSync(page, 'utf8')));
}

function readJson<Row>(file: string): Row[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Row[]) : [];
}

function writeJson(file: string, rows: readonly unknown[]): void {
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
}

/** Names of rules stay, examples of what broke them do not: they are in the run's own report. */
function withoutExamples(record: ScenarioRecord): ScenarioRecord {
  const rounds = record.rounds.map(round => ({
    ...round,
    verdicts: round.verdicts.map(verdict => ({ ...verdict, examples: [] })),
  }));
  return { ...record, rounds };
}
