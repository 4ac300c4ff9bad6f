import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildMutant } from './mutants/build-mutant.ts';
import { MUTANTS, type Mutant } from './mutants/mutants.ts';
import { type ChaosOptions, parseOptions, USAGE } from './options.ts';
import { figuresOf } from './oracle/figures.ts';
import { judge } from './oracle/judge.ts';
import { printReport } from './report/print-report.ts';
import { type RoundReport, reportRound } from './report/round-report.ts';
import { chaosEntry, repositoryDir } from './repository.ts';
import { type RoundResult, runRound } from './run-round.ts';
import { SCENARIOS, SHORT_SCENARIOS } from './scenarios/index.ts';
import { type Scenario, unmetDemands } from './scenarios/scenario.ts';

const EXIT = { passed: 0, failed: 1, notRun: 2 } as const;
const parentDir = join(repositoryDir, '.data/chaos');
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));
}

try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = EXIT.notRun;
}

async function main(options: ChaosOptions): Promise<number> {
  if (options.help) return say(USAGE);
  if (options.listMutants) {
    return say(MUTANTS.map(({ name, what, caughtBy }) => `${name}: ${what} (${caughtBy.join(', ')})`).join('\n'));
  }
  const mutant = options.mutant === null ? null : findMutant(options.mutant);
  const entry = mutant ? chaosEntry(await buildMutant(repositoryDir, mutant)) : chaosEntry();
  const reports: RoundReport[] = [];
  for (const scenario of chooseScenarios(options, mutant)) {
    for (let round = 0; round < options.rounds; round += 1) {
      const report = await playRound({ scenario, options, mutant, entry, seed: options.seed + round });
      reports.push(report);
      if (mutant && isCaught(report)) break;
    }
  }
  const file = join(parentDir, `report-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify({ rounds: reports }, null, 2)}\n`);
  say(`report: ${file}`);
  if (mutant) return concludeMutant(mutant, reports);
  return reports.every(report => report.passed) ? EXIT.passed : EXIT.failed;
}

async function playRound(round: {
  scenario: Scenario;
  options: ChaosOptions;
  mutant: Mutant | null;
  entry: string;
  seed: number;
}): Promise<RoundReport> {
  const { scenario, options, mutant, seed } = round;
  const jobs = options.jobs ?? Math.max(1, Math.round(scenario.jobs * options.scale));
  const runDir = join(parentDir, `${scenario.name}-${seed}-${process.pid}`);
  say(`${scenario.name}: ${jobs} jobs, seed ${seed}${mutant ? `, mutant ${mutant.name}` : ''}`);
  const world = { parentDir, runDir, entry: round.entry, environment: process.env };
  const result = await runRound({
    scenario,
    jobs,
    seed,
    world,
    say: line => void say(`  ${line}`),
    signal: interrupted.signal,
  });
  const figures = figuresOf(result.evidence);
  const report = reportRound({
    scenario: scenario.name,
    title: scenario.title,
    short: options.short,
    mutant: mutant?.name ?? null,
    seed,
    servers: result.servers,
    durationMs: result.durationMs,
    gaveUp: result.gaveUp,
    figures,
    unmet: unmetDemands(scenario, jobs, figures),
    verdicts: judge(result.evidence),
  });
  say(printReport(report));
  if (report.passed && !options.keep) rmSync(runDir, { recursive: true, force: true });
  else say(`evidence: ${keepEvidence(runDir, result)}`);
  return report;
}

/** What is not in the run's files already: publisher log, faults, processes and ledger. */
function keepEvidence(runDir: string, { evidence }: RoundResult): string {
  const { posts, faults, processes, jobs } = evidence;
  for (const [name, rows] of Object.entries({ posts, faults, processes, jobs })) {
    writeFileSync(join(runDir, `${name}.jsonl`), rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  }
  return runDir;
}

function chooseScenarios({ only, short }: ChaosOptions, mutant: Mutant | null): Scenario[] {
  const all = short ? SHORT_SCENARIOS : SCENARIOS;
  const names = only ?? (mutant ? [mutant.scenario] : all.map(scenario => scenario.name));
  mkdirSync(parentDir, { recursive: true });
  return names.map(name => {
    const scenario = all.find(candidate => candidate.name === name);
    if (!scenario) throw new Error(`no scenario ${name}; there are ${all.map(candidate => candidate.name).join(', ')}`);
    return scenario;
  });
}

function findMutant(name: string): Mutant {
  const mutant = MUTANTS.find(candidate => candidate.name === name);
  if (!mutant) throw new Error(`no mutant ${name}; there are ${MUTANTS.map(candidate => candidate.name).join(', ')}`);
  return mutant;
}

/** A round that is only too calm, or that met another rule than the mutant breaks, has not caught it. */
function isCaught(report: RoundReport): boolean {
  const broken = report.verdicts.filter(verdict => verdict.count > 0).map(verdict => verdict.id);
  return MUTANTS.some(mutant => mutant.name === report.mutant && mutant.caughtBy.some(id => broken.includes(id)));
}

/** The run of a mutant fails as it should: exit code 1. One that survives answers 0, and that is the alarm. */
function concludeMutant(mutant: Mutant, reports: readonly RoundReport[]): number {
  const caught = reports.find(isCaught);
  if (!caught) {
    say(`MUTANT SURVIVED: ${mutant.name} broke none of ${mutant.caughtBy.join(', ')} in ${reports.length} rounds`);
    return EXIT.passed;
  }
  const broken = caught.verdicts.filter(verdict => verdict.count > 0).map(verdict => verdict.id);
  say(
    `mutant ${mutant.name} caught by ${broken.join(', ')} in round ${reports.indexOf(caught) + 1}: the run fails as it must`,
  );
  return EXIT.failed;
}

function say(text: string): 0 {
  process.stdout.write(`${text}\n`);
  return EXIT.passed;
}
