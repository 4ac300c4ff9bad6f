import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MutantRecord } from '../mutants/hunt.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import type { RoundReport } from './round-report.ts';

/** What is known of one scenario at one scale: its rounds, or why it could not run. */
export interface ScenarioRecord {
  scenario: string;
  row: string;
  title: string;
  target: string;
  scale: number;
  date: string;
  /** Why it did not run; null when it did. */
  skipped: string | null;
  rounds: readonly RoundReport[];
}

export function recordOf(
  { name, row, title, target }: Scenario,
  result: Pick<ScenarioRecord, 'scale' | 'skipped' | 'rounds'>,
): ScenarioRecord {
  return { scenario: name, row, title, target, date: new Date().toISOString(), ...result };
}

export function hasPassed({ skipped, rounds }: ScenarioRecord): boolean {
  return skipped === null && rounds.length > 0 && rounds.every(round => round.passed);
}

/** A folder with one file a record, so that a long run can be broken off and go on later. */
class RecordFolder<Kept> {
  readonly #folder: string;
  readonly #nameOf: (record: Kept) => string;

  constructor(folder: string, nameOf: (record: Kept) => string) {
    this.#folder = folder;
    this.#nameOf = nameOf;
    mkdirSync(folder, { recursive: true });
  }

  write(record: Kept): void {
    writeFileSync(this.#file(this.#nameOf(record)), `${JSON.stringify(record, null, 2)}\n`);
  }

  read(name: string): Kept | null {
    const file = this.#file(name);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : null;
  }

  readAll(): Kept[] {
    const files = readdirSync(this.#folder).filter(file => file.endsWith('.json'));
    return files.map(file => JSON.parse(readFileSync(join(this.#folder, file), 'utf8')) as Kept);
  }

  #file(name: string): string {
    return join(this.#folder, `${name.replaceAll(/[^\w.-]/g, '-')}.json`);
  }
}

/** Of scenarios, of one scale. */
export class Records extends RecordFolder<ScenarioRecord> {
  constructor(parentDir: string, scale: number) {
    super(join(parentDir, `records-${scale}`), ({ scenario }) => scenario);
  }
}

export class MutantRecords extends RecordFolder<MutantRecord> {
  constructor(parentDir: string) {
    super(join(parentDir, 'records-mutants'), ({ mutant }) => mutant);
  }
}
