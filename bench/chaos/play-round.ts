import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from './oracle/evidence.ts';
import { printReport } from './report/print-report.ts';
import { type RoundReport, reportRound } from './report/round-report.ts';
import type { Scenario } from './scenarios/scenario.ts';

export interface RoundOptions {
  scenario: Scenario;
  scale: number;
  jobs: number | null;
  seed: number;
  short: boolean;
  /** Name of the mutant that `entry` belongs to; null for the product itself. */
  mutant: string | null;
  /** Compiled entry of the processes under test. */
  entry: string;
  /** Whether evidence is kept also when nobody has to look at it. */
  keep: boolean;
  /** Folder of evidence and reports. */
  parentDir: string;
  signal: AbortSignal;
  say: (line: string) => void;
}

/** One round: servers and processes up, faults, judgement. What failed keeps its evidence. */
export async function playRound(options: RoundOptions): Promise<RoundReport> {
  const { scenario, scale, jobs, short, mutant, seed, entry, keep, parentDir, signal, say } = options;
  const runDir = join(parentDir, `${scenario.name.replaceAll(' ', '-')}-${seed}-${process.pid}`);
  say(`${scenario.name}: seed ${seed}, scale ${scale}${mutant === null ? '' : `, mutant ${mutant}`}`);
  const played = await scenario.play({
    scale,
    jobs,
    seed,
    world: { runDir, entry, environment: process.env },
    say: line => say(`  ${line}`),
    signal,
  });
  const report = reportRound(scenario, { short, mutant, scale, seed }, played);
  say(printReport(report));
  // That a mutant fails is no news.
  if ((report.passed || mutant !== null) && !keep) rmSync(runDir, { recursive: true, force: true });
  else if (played.evidence) say(`evidence: ${keepEvidence(runDir, played.evidence)}`);
  return report;
}

/** What is not in the run's files already: publisher log, operations, faults, processes and ledger. */
function keepEvidence(runDir: string, { posts, operations = [], faults, processes, jobs }: Evidence): string {
  for (const [name, rows] of Object.entries({ posts, operations, faults, processes, jobs })) {
    writeFileSync(join(runDir, `${name}.jsonl`), rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  }
  return runDir;
}
