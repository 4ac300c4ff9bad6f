import { parseArgs } from 'node:util';

export interface ChaosOptions {
  /** Names of scenarios or rows; null runs all. */
  only: string[] | null;
  /** Jobs a round; null leaves it to the scenario and the scale. */
  jobs: number | null;
  /** Null: the full size; of a mutant's scenario the share that it names. */
  scale: number | null;
  seed: number;
  rounds: number;
  short: boolean;
  mutant: string | null;
  /** Every mutant in turn. */
  mutants: boolean;
  list: boolean;
  listMutants: boolean;
  /** Leaves out what has passed at this scale before, and mutants that were caught. */
  resume: boolean;
  /** Puts the records of this scale into docs/faults.json and docs/faults.md. */
  publish: boolean;
  /** Evidence is kept also of rounds that passed. */
  keep: boolean;
  help: boolean;
}

export const USAGE = `npm run chaos -- [options]
  --only A,B       scenarios or rows to run (all): F1, F2, storm, …
  --scale X        share of the full size: jobs, or how often a fault happens (1)
  --jobs N         jobs a round, instead of --scale, where jobs decide
  --seed S         decides jobs and victims (from the clock)
  --rounds N       rounds of each scenario, seeds S, S+1, … (1; of a mutant's at most 3, until it is caught)
  --short          the short forms of the test suite
  --mutant NAME    runs it on a patched copy of the source: must fail
  --mutants        every mutant in turn: passes when all were caught
  --list           names the scenarios
  --list-mutants   names the mutants
  --resume         leaves out what has passed at this scale before (here or as published), or was caught
  --publish        puts what is on record at this scale, or of mutants, into docs/faults.md
  --keep           keeps the evidence of rounds that passed, too
Exit code: 0 all rules kept, 1 a rule was broken or a target missed, 2 the harness could not run.`;

const MUTANT_ROUNDS = 3;

/** @throws Error that says which option is wrong. */
export function parseOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      jobs: { type: 'string' },
      scale: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rounds: { type: 'string' },
      short: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      mutants: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      'list-mutants': { type: 'boolean', default: false },
      resume: { type: 'boolean', default: false },
      publish: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const defaultRounds = values.mutant !== undefined || values.mutants ? MUTANT_ROUNDS : 1;
  return {
    only: values.only?.split(',') ?? null,
    jobs: values.jobs === undefined ? null : positive('jobs', values.jobs, true),
    scale: values.scale === undefined ? null : positive('scale', values.scale, false),
    seed: positive('seed', values.seed, true),
    rounds: values.rounds === undefined ? defaultRounds : positive('rounds', values.rounds, true),
    short: values.short,
    mutant: values.mutant ?? null,
    mutants: values.mutants,
    list: values.list,
    listMutants: values['list-mutants'],
    resume: values.resume,
    publish: values.publish,
    keep: values.keep,
    help: values.help,
  };
}

function positive(name: string, text: string, isWhole: boolean): number {
  const number = Number(text);
  if (number > 0 && (!isWhole || Number.isSafeInteger(number))) return number;
  throw new Error(`--${name} ${text} must be a ${isWhole ? 'whole ' : ''}number above 0`);
}
