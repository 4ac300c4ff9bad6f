import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeRows } from './describe-rows.ts';
import type { ScenarioRecord } from './records.ts';

const BEGIN = '<!-- faults:begin -->';
const END = '<!-- faults:end -->';

/** What the published table is made of: `docs/faults.json`. */
export function readPublished(repositoryDir: string): ScenarioRecord[] {
  const file = join(repositoryDir, 'docs/faults.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ScenarioRecord[]) : [];
}

/** Puts records into `docs/faults.json`, each in the place of an earlier one of its scenario, and the table into `docs/faults.md`. */
export function publish(repositoryDir: string, records: readonly ScenarioRecord[], order: readonly string[]): void {
  const merged = new Map(readPublished(repositoryDir).map(record => [record.scenario, record]));
  for (const record of records) merged.set(record.scenario, withoutExamples(record));
  const known = [...merged.values()].filter(({ scenario }) => order.includes(scenario));
  known.sort((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario));
  writeFileSync(join(repositoryDir, 'docs/faults.json'), `${JSON.stringify(known, null, 2)}\n`);
  const page = join(repositoryDir, 'docs/faults.md');
  writeFileSync(page, withTable(readFileSync(page, 'utf8'), known));
}

/** @throws Error when the page has no place for the table. */
export function withTable(page: string, records: readonly ScenarioRecord[]): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`docs/faults.md has no ${BEGIN} … ${END}`);
  return `${before}${BEGIN}\n${describeRows(records)}\n${END}${after}`;
}

/** Names of rules stay, examples of what broke them do not: they are in the run's own report. */
function withoutExamples(record: ScenarioRecord): ScenarioRecord {
  const rounds = record.rounds.map(round => ({
    ...round,
    verdicts: round.verdicts.map(verdict => ({ ...verdict, examples: [] })),
  }));
  return { ...record, rounds };
}
