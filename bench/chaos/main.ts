import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAbandoned } from '../../src/embedded/servers/data-dir.ts';
import { buildMutant } from './mutants/build-mutant.ts';
import { MUTANTS, type Mutant } from './mutants/mutants.ts';
import { type ChaosOptions, parseOptions, USAGE } from './options.ts';
import type { Evidence } from './oracle/evidence.ts';
import { printReport } from './report/print-report.ts';
import { publish } from './report/publish.ts';
import { hasPassed, Records, recordOf } from './report/records.ts';
import { failuresOf, type RoundReport, reportRound } from './report/round-report.ts';
import { chaosEntry, repositoryDir } from './repository.ts';
import { SCENARIOS, SHORT_SCENARIOS, scenariosCalled } from './scenarios/index.ts';
import type { Scenario } from './scenarios/scenario.ts';

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
  if (options.list) return say(SCENARIOS.map(({ name, title, target }) => `${name}: ${title}: ${target}`).join('\n'));
  if (options.listMutants) {
    return say(MUTANTS.map(({ name, what, caughtBy }) => `${name}: ${what} (${caughtBy.join(', ')})`).join('\n'));
  }
  mkdirSync(parentDir, { recursive: true });
  // Data of servers whose harness was killed.
  await removeAbandoned(tmpdir(), 'ledgermq-');
  if (options.mutant !== null) return playMutant(findMutant(options.mutant), options);
  const reports = await playAll(chooseScenarios(options), options);
  if (options.publish) {
    const order = SCENARIOS.map(({ name }) => name);
    publish(repositoryDir, new Records(parentDir, options.scale).readAll(), order);
    say('published in docs/faults.md');
  }
  return reports.every(report => report.passed) ? EXIT.passed : EXIT.failed;
}

/** Every scenario in turn; what each came to is on record before the next one begins. */
async function playAll(scenarios: readonly Scenario[], options: ChaosOptions): Promise<RoundReport[]> {
  const records = options.short ? null : new Records(parentDir, options.scale);
  const reports: RoundReport[] = [];
  for (const scenario of scenarios) {
    const known = options.resume ? records?.read(scenario.name) : null;
    if (known && hasPassed(known)) {
      say(`${scenario.name}: passed on ${known.date.slice(0, 10)}, not run again`);
      continue;
    }
    const skipped = (await scenario.missing?.()) ?? null;
    const rounds = skipped === null ? await playRounds(scenario, options) : [];
    if (skipped !== null) say(`${scenario.name}: SKIPPED, ${skipped}`);
    records?.write(recordOf(scenario, { scale: options.scale, skipped, rounds }));
    reports.push(...rounds);
  }
  const file = join(parentDir, `report-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify({ rounds: reports }, null, 2)}\n`);
  say(summaryOf(reports));
  say(`report: ${file}`);
  return reports;
}

async function playRounds(scenario: Scenario, options: ChaosOptions): Promise<RoundReport[]> {
  const rounds: RoundReport[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    rounds.push(await playRound({ scenario, options, mutant: null, entry: chaosEntry(), seed: options.seed + round }));
  }
  return rounds;
}

async function playRound(round: {
  scenario: Scenario;
  options: ChaosOptions;
  mutant: Mutant | null;
  entry: string;
  seed: number;
}): Promise<RoundReport> {
  const { scenario, options, mutant, seed, entry } = round;
  const { scale, jobs, short } = options;
  const runDir = join(parentDir, `${scenario.name.replaceAll(' ', '-')}-${seed}-${process.pid}`);
  say(`${scenario.name}: seed ${seed}, scale ${scale}${mutant ? `, mutant ${mutant.name}` : ''}`);
  const played = await scenario.play({
    scale,
    jobs,
    seed,
    world: { runDir, entry, environment: process.env },
    say: line => void say(`  ${line}`),
    signal: interrupted.signal,
  });
  const report = reportRound(scenario, { short, mutant: mutant?.name ?? null, scale, seed }, played);
  say(printReport(report));
  if (report.passed && !options.keep) rmSync(runDir, { recursive: true, force: true });
  else if (played.evidence) say(`evidence: ${keepEvidence(runDir, played.evidence)}`);
  return report;
}

/** What is not in the run's files already: publisher log, faults, processes and ledger. */
function keepEvidence(runDir: string, { posts, operations = [], faults, processes, jobs }: Evidence): string {
  for (const [name, rows] of Object.entries({ posts, operations, faults, processes, jobs })) {
    writeFileSync(join(runDir, `${name}.jsonl`), rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  }
  return runDir;
}

function chooseScenarios({ only, short }: ChaosOptions): Scenario[] {
  const all = short ? SHORT_SCENARIOS : SCENARIOS;
  return (only ?? all.map(scenario => scenario.name)).flatMap(name => {
    const found = scenariosCalled(name, all);
    if (found.length > 0) return found;
    throw new Error(`no scenario ${name}; there are ${all.map(candidate => candidate.name).join(', ')}`);
  });
}

function summaryOf(reports: readonly RoundReport[]): string {
  const failed = reports.filter(report => !report.passed);
  const names = failed.map(report => `${report.scenario} (${failuresOf(report).join(', ') || report.gaveUp})`);
  return `${reports.length} rounds, ${failed.length} failed${names.length > 0 ? `: ${names.join('; ')}` : ''}`;
}

function findMutant(name: string): Mutant {
  const mutant = MUTANTS.find(candidate => candidate.name === name);
  if (!mutant) throw new Error(`no mutant ${name}; there are ${MUTANTS.map(candidate => candidate.name).join(', ')}`);
  return mutant;
}

/**
 * Plays rounds until one catches it: then the run fails as it should, exit code 1. A mutant that survives answers 0, and that
 * is the alarm.
 */
async function playMutant(mutant: Mutant, options: ChaosOptions): Promise<number> {
  const entry = chaosEntry(await buildMutant(repositoryDir, mutant));
  const [scenario] = scenariosCalled(mutant.scenario, SCENARIOS);
  if (!scenario) throw new Error(`no scenario ${mutant.scenario}`);
  for (let round = 0; round < options.rounds; round += 1) {
    const report = await playRound({ scenario, options, mutant, entry, seed: options.seed + round });
    // A round that is only too calm, or that met another rule than the mutant breaks, has not caught it.
    const broken = failuresOf(report).filter(name => mutant.caughtBy.includes(name));
    if (broken.length === 0) continue;
    say(`mutant ${mutant.name} caught by ${broken.join(', ')} in round ${round + 1}: the run fails as it must`);
    return EXIT.failed;
  }
  say(`MUTANT SURVIVED: ${mutant.name} broke none of ${mutant.caughtBy.join(', ')} in ${options.rounds} rounds`);
  return EXIT.passed;
}

function say(text: string): 0 {
  process.stdout.write(`${text}\n`);
  return EXIT.passed;
}
