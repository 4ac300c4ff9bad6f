/** A fault put into the product on purpose: the harness must find it, or it would not find a real one either. */
export interface Mutant {
  name: string;
  /** What is taken out. */
  what: string;
  /** Exact text, found exactly once in its file. */
  patches: readonly { file: string; find: string; replace: string }[];
  /** The scenario that meets it. */
  scenario: string;
  /** Invariants, or names of measures, of which at least one must be broken. */
  caughtBy: readonly string[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'finish-without-run-key',
    what: 'outcomes are written without the run key: a worker that lost its run still writes its result',
    patches: [
      {
        file: 'src/pipeline/store/run-outcomes.ts',
        find: 'filter: { _id: run.id, status: from, runKey: run.runKey, ...condition },',
        replace: 'filter: { _id: run.id, status: from, ...condition },',
      },
    ],
    scenario: 'storm',
    caughtBy: ['I3', 'I5'],
  },
];
