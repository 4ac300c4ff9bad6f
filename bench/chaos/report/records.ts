import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** Records of one scale, one file a scenario, so that a long run can be broken off and go on later. */
export class Records {
  readonly #folder: string;

  constructor(parentDir: string, scale: number) {
    this.#folder = join(parentDir, `records-${scale}`);
    mkdirSync(this.#folder, { recursive: true });
  }

  write(record: ScenarioRecord): void {
    writeFileSync(this.#file(record.scenario), `${JSON.stringify(record, null, 2)}\n`);
  }

  read(scenario: string): ScenarioRecord | null {
    const file = this.#file(scenario);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ScenarioRecord) : null;
  }

  readAll(): ScenarioRecord[] {
    const files = readdirSync(this.#folder).filter(file => file.endsWith('.json'));
    return files.map(file => JSON.parse(readFileSync(join(this.#folder, file), 'utf8')) as ScenarioRecord);
  }

  #file(scenario: string): string {
    return join(this.#folder, `${scenario.replaceAll(/[^\w.-]/g, '-')}.json`);
  }
}
