import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAbandoned } from '../../src/embedded/servers/data-dir.ts';
import { buildMutant } from './mutants/build-mutant.ts';
import { hunt, type MutantRecord, wasCaught } from './mutants/hunt.ts';
import { MUTANTS, type Mutant } from './mutants/mutants.ts';
import { type ChaosOptions, parseOptions, USAGE } from './options.ts';
import { playRound, type RoundOptions } from './play-round.ts';
import { describeHunt, describeMutants } from './report/describe-mutants.ts';
import { publish, publishMutants, readPublished } from './report/publish.ts';
import { hasPassed, MutantRecords, Records, recordOf } from './report/records.ts';
import { failuresOf, type RoundReport } from './report/round-report.ts';
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
  if (options.mutants) return playMutants(options);
  // With one mutant the run must fail: a survivor answers 0, and that is the alarm.
  if (options.mutant !== null)
    return wasCaught(await playMutant(findMutant(options.mutant), options)) ? EXIT.failed : EXIT.passed;
  const reports = await playAll(chooseScenarios(options), options);
  if (options.publish) {
    const order = SCENARIOS.map(({ name }) => name);
    publish(repositoryDir, new Records(parentDir, options.scale ?? 1).readAll(), order);
    say('published in docs/faults.md');
  }
  return reports.every(report => report.passed) ? EXIT.passed : EXIT.failed;
}

/** Every scenario in turn; what each came to is on record before the next one begins. */
async function playAll(scenarios: readonly Scenario[], options: ChaosOptions): Promise<RoundReport[]> {
  const scale = options.scale ?? 1;
  const records = options.short ? null : new Records(parentDir, scale);
  // What was published need not be on record here: another machine may have run it.
  const published = readPublished(repositoryDir).filter(record => record.scale === scale);
  const reports: RoundReport[] = [];
  for (const scenario of scenarios) {
    interrupted.signal.throwIfAborted();
    const known =
      records && options.resume
        ? (records.read(scenario.name) ?? published.find(record => record.scenario === scenario.name))
        : null;
    if (known && hasPassed(known)) {
      say(`${scenario.name}: passed on ${known.date.slice(0, 10)}, not run again`);
      continue;
    }
    const skipped = (await scenario.missing?.()) ?? null;
    const rounds = skipped === null ? await playRounds(scenario, options) : [];
    if (skipped !== null) say(`${scenario.name}: SKIPPED, ${skipped}`);
    records?.write(recordOf(scenario, { scale, skipped, rounds }));
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
    const seed = options.seed + round;
    rounds.push(await play(options, { scenario, scale: options.scale ?? 1, seed, mutant: null, entry: chaosEntry() }));
  }
  return rounds;
}

function play(
  { jobs, short, keep }: ChaosOptions,
  round: Pick<RoundOptions, 'scenario' | 'scale' | 'seed' | 'mutant' | 'entry'>,
): Promise<RoundReport> {
  return playRound({ ...round, jobs, short, keep, parentDir, signal: interrupted.signal, say });
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

/** Builds the mutant and hunts it; what became of it is on record. */
async function playMutant(mutant: Mutant, options: ChaosOptions): Promise<MutantRecord> {
  const [scenario] = scenariosCalled(mutant.scenario, SCENARIOS);
  if (!scenario) throw new Error(`no scenario ${mutant.scenario}`);
  const entry = chaosEntry(await buildMutant(repositoryDir, mutant));
  const scale = options.scale ?? mutant.scale;
  const record = await hunt(mutant, scenario, {
    seed: options.seed,
    rounds: options.rounds,
    play: (hunted, seed) => play(options, { scenario: hunted, scale, seed, mutant: mutant.name, entry }),
  });
  new MutantRecords(parentDir).write(record);
  say(describeHunt(record));
  return record;
}

/** All of them in turn. */
async function playMutants(options: ChaosOptions): Promise<number> {
  const records = new MutantRecords(parentDir);
  const found: MutantRecord[] = [];
  for (const mutant of MUTANTS) {
    const known = options.resume ? records.read(mutant.name) : null;
    if (known && wasCaught(known)) say(`${mutant.name}: caught on ${known.date.slice(0, 10)}, not run again`);
    found.push(known && wasCaught(known) ? known : await playMutant(mutant, options));
  }
  say(describeMutants(found));
  if (options.publish) {
    publishMutants(repositoryDir, found);
    say('published in docs/faults.md');
  }
  return found.every(wasCaught) ? EXIT.passed : EXIT.failed;
}

function say(text: string): 0 {
  process.stdout.write(`${text}\n`);
  return EXIT.passed;
}
