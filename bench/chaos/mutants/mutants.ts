/** A fault put into the product on purpose: the harness must find it, or it would not find a real one either. */
export interface Mutant {
  name: string;
  /** What is taken out. */
  what: string;
  /** Exact text, found exactly once in its file. */
  patches: readonly { file: string; find: string; replace: string }[];
  /** The scenario that meets it, and the share of its full size that is enough to do so. */
  scenario: string;
  scale: number;
  /** Invariants, of which at least one must be broken. */
  caughtBy: readonly string[];
}

const STORE = 'src/pipeline/store';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'finish-without-run-key',
    what: 'outcomes are written without the run key: a worker that lost its run still writes its result',
    patches: [
      {
        file: `${STORE}/run-outcomes.ts`,
        find: 'filter: { _id: run.id, status: from, runKey: run.runKey, ...condition },',
        replace: 'filter: { _id: run.id, status: from, ...condition },',
      },
    ],
    scenario: 'storm',
    scale: 0.1,
    caughtBy: ['I3', 'I5'],
  },
  {
    name: 'engine-id-without-token',
    what: "the engine's id is the job's own: what Redis still holds in any state is silently not added again",
    patches: [
      {
        file: 'src/pipeline/queue/queue-manager.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: text of a source file
        find: 'return `${job.id.toHexString()}-${job.token.toHexString()}`;',
        replace: 'return job.id.toHexString();',
      },
    ],
    scenario: 'trap claimed again',
    scale: 0.1,
    caughtBy: ['I1'],
  },
  {
    name: 'no-sweeper',
    what: 'nothing takes back what a worker left behind that vanished',
    patches: [
      {
        file: 'src/pipeline/recover/sweeper.ts',
        find: 'const { expired, nextEndMs } = await lookAtLeases(context, lease.sweepMs);',
        replace: 'const [expired, nextEndMs]: [ExpiredLease[], number] = [[], Number.POSITIVE_INFINITY];',
      },
    ],
    scenario: 'F1 test profile',
    scale: 0.02,
    caughtBy: ['I1'],
  },
  {
    name: 'gate-by-two-in',
    what: 'the start gate matches ids and tokens apart from each other: a ticket opens it for the job of another one',
    patches: [
      {
        file: `${STORE}/start-gate.ts`,
        find: "jobs.updateMany({ _id: { $in: ids }, status: 'queued', $or: pairs }, update, options)",
        replace:
          "jobs.updateMany({ _id: { $in: ids }, status: 'queued', token: { $in: tickets.map(ticket => ticket.token) } }, update, options)",
      },
    ],
    scenario: 'trap old tickets',
    scale: 0.1,
    caughtBy: ['I6'],
  },
  {
    name: 'gate-without-majority',
    what: 'the start gate waits for one node only: a rollback makes a run that goes on one that never began',
    patches: [
      {
        file: `${STORE}/start-gate.ts`,
        find: 'const options = { writeConcern: WRITE_CONCERNS.majority! };',
        replace: 'const options = { writeConcern: WRITE_CONCERNS.one! };',
      },
    ],
    scenario: 'trap rollback',
    scale: 0.1,
    caughtBy: ['I2'],
  },
  {
    name: 'redrive-keeps-run',
    what: 'a retry by the API leaves token and run key: a run of the old life can write into the new one',
    patches: [
      {
        file: `${STORE}/job-operations.ts`,
        find: "unset: ['runKey', 'finishedAt', 'expireAt',",
        replace: "unset: ['finishedAt', 'expireAt',",
      },
      {
        file: `${STORE}/job-operations.ts`,
        find: "to: 'pending',\n        dropLease: true,",
        replace: "to: 'pending',",
      },
    ],
    scenario: 'F24',
    scale: 0.1,
    caughtBy: ['I5'],
  },
  {
    name: 'retry-keeps-run-key',
    what: 'a recorded failure leaves the run key: the run that failed can take its job up again',
    patches: [
      {
        file: `${STORE}/run-outcomes.ts`,
        find: "return { via: 'T6', ...backToPending(outcome, context), inc:",
        replace: "return { via: 'T6', ...backToPending(outcome, context), unset: [], inc:",
      },
    ],
    scenario: 'trap slow answers',
    scale: 0.1,
    caughtBy: ['I5'],
  },
  {
    name: 'hand-back-ignores-cancel',
    what: 'a run is handed back at the drain deadline although its cancel was requested and answered',
    patches: [
      {
        file: `${STORE}/run-outcomes.ts`,
        find: "return { via: 'T9', ...backToPending(outcome, context),",
        replace: "return { via: 'T9', ...backToPending(outcome, context), condition: {},",
      },
    ],
    scenario: 'trap cancel and end',
    scale: 0.1,
    caughtBy: ['I11'],
  },
  {
    name: 'rescue-ignores-cancel',
    what: 'a run whose worker vanished goes back to pending although its cancel was requested and answered',
    patches: [
      {
        file: `${STORE}/recovery-store.ts`,
        find: "if (await write({ cancelRequestedAt: { $exists: true } }, cancelled)) return { to: 'cancelled', crashes };",
        replace: '',
      },
      {
        file: `${STORE}/recovery-store.ts`,
        find: '(await write({ cancelRequestedAt: { $exists: false } }, change))',
        replace: '(await write({}, change))',
      },
    ],
    scenario: 'trap cancel and end',
    scale: 0.1,
    caughtBy: ['I11'],
  },
  {
    name: 'group-without-single-retry',
    what: 'results join their group whatever their size, and a group that is refused is not written singly',
    patches: [
      {
        file: 'src/pipeline/run/storable.ts',
        find: 'if (bytes > RESULT_LIMIT_BYTES) {',
        replace: 'if (bytes > Number.MAX_SAFE_INTEGER) {',
      },
      {
        file: 'src/pipeline/record/recorder.ts',
        find: 'for (const end of ends) singly.push(...(await this.#writeOnce([end], urgent)));',
        replace: 'for (const end of ends) singly.push(this.#refused(end, error));',
      },
    ],
    scenario: 'F25',
    scale: 0.1,
    caughtBy: ['I1', 'I4'],
  },
  {
    name: 'watchdog-without-slots',
    what: 'the watchdog does not ask for a free slot: long jobs that fill all slots look like a dead consumer',
    patches: [
      {
        file: 'src/worker/watchdog.ts',
        find: 'if (this.#options.freeSlots() === 0 || (await this.#countWaiting()) === 0) {',
        replace: 'if ((await this.#countWaiting()) === 0) {',
      },
    ],
    scenario: 'F26',
    scale: 0.1,
    caughtBy: ['I9', 'consumers rebuilt'],
  },
];
