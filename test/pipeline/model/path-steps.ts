import fc from 'fast-check';
import { decideOutcome } from '../../../src/pipeline/run/decide-outcome.ts';
import type { HandlerEnd } from '../../../src/pipeline/run/run-end.ts';
import { isTerminal } from '../../../src/pipeline/store/job-document.ts';
import type { RunEnd } from '../../../src/pipeline/store/run-outcomes.ts';
import * as clients from './client-moves.ts';
import type { Fleet, HeldRun } from './fleet.ts';
import type { Run, Ticket } from './job.ts';
import * as moves from './moves.ts';
import { draw, draws, jobsOf, operation, pick, pickSome, type WeightedStep, worker } from './step.ts';

const MOST_OPEN_JOBS = 5;
const MOST_JOBS = 12;

const newJob: fc.Arbitrary<clients.NewJob> = fc.record({
  priority: fc.nat(2),
  maxRetries: fc.constantFrom(0, 2, 3),
  delayMs: fc.constantFrom(0, 100, 100, 1_000),
  startByMs: fc.constantFrom(null, null, null, 50, 150, 400),
  key: fc.constantFrom('a', 'b', null, null),
  fingerprint: fc.constantFrom('one', 'one', 'two'),
  crashes: fc.constantFrom(0, 0, 0, 1, 2, 2),
  isolatedRescues: fc.constantFrom(0, 9, 9),
});

const error = { name: 'Error', message: 'no' };
const success: HandlerEnd = { kind: 'returned', value: null };
const failure: HandlerEnd = { kind: 'threw', error: { ...error, retryable: true }, cancelled: false };
const handlerEnds: fc.Arbitrary<HandlerEnd[]> = fc.array(
  fc.constantFrom<HandlerEnd[]>(
    success,
    success,
    success,
    success,
    success,
    success,
    failure,
    failure,
    { kind: 'threw', error: { ...error, retryable: false }, cancelled: false },
    { kind: 'threw', error: { ...error, retryable: true }, cancelled: true },
    { kind: 'timed-out', afterMs: 1 },
    { kind: 'not-storable', reason: 'too large' },
    { kind: 'drained', stopped: true },
    { kind: 'drained', stopped: false },
    { kind: 'crashed', detail: 'SIGKILL' },
    { kind: 'crashed', detail: 'SIGKILL' },
  ),
  { minLength: 5, maxLength: 5 },
);

const isFresh = (fleet: Fleet) => (ticket: Ticket) => {
  const job = fleet.world.jobs.get(ticket.id);
  return job?.status === 'queued' && job.token === ticket.token;
};
const isCurrent = (fleet: Fleet) => (run: Run) => fleet.world.jobs.get(run.id)?.runKey === run.runKey;
const isGivenUp = (fleet: Fleet) => (run: Run) =>
  isCurrent(fleet)(run) && fleet.world.jobs.get(run.id)?.status === 'pending';

const isHeld = (fleet: Fleet) => (run: Run) =>
  isCurrent(fleet)(run) && !isTerminal(fleet.world.jobs.get(run.id)!.status);

/**
 * Some runs of one worker, each once; most of the time those that were given up too early, before they are claimed again, and
 * seldom none that may still write.
 */
function someRuns(fleet: Fleet, drawn: readonly number[]): HeldRun[] {
  const givenUp = fleet.runs.filter(isGivenUp(fleet));
  const from = givenUp.length > 0 && drawn[0]! % 4 > 0 ? givenUp : fleet.runs;
  const picked = pickSome(from, drawn, isHeld(fleet));
  if (drawn[0]! % 8 > 0 && !picked.some(isHeld(fleet))) return [];
  return [...new Set(picked.filter(run => run.by === picked[0]!.by))];
}

function endOf(fleet: Fleet, run: HeldRun, end: HandlerEnd): RunEnd {
  const ended = end.kind === 'returned' ? { ...end, value: run.runKey } : end;
  const outcome = decideOutcome(ended, run.state, new Date(fleet.world.now), () => 0.5);
  return { run: run.ref, outcome: outcome! };
}

/** The path of a job, with old tickets and old runs among the good ones. */
export const pathSteps: WeightedStep[] = [
  operation(2, 'submit', [newJob], (fleet, pace, shape) => {
    const open = jobsOf(fleet).filter(job => !isTerminal(job.status)).length;
    return open < MOST_OPEN_JOBS && fleet.world.jobs.size < MOST_JOBS ? () => clients.submit(fleet, pace, shape) : null;
  }),
  operation(6, 'claim', [worker, fc.integer({ min: 1, max: 5 })], (fleet, pace, by, limit) => {
    const isDue = jobsOf(fleet).some(job => job.status === 'pending' && job.runAt <= fleet.world.now);
    return isDue ? () => moves.claim(fleet, pace, fleet.worker(by), limit) : null;
  }),
  operation(1, 'give back', [worker, draw], (fleet, pace, by, drawn) => {
    const one = pick(fleet.tickets, drawn, isFresh(fleet));
    const batch = fleet.tickets.filter(({ token }) => token === one?.token);
    return one ? () => moves.giveBack(fleet, pace, fleet.worker(by), batch.slice(drawn % batch.length)) : null;
  }),
  operation(1, 'unstart', [worker, draw, fc.constantFrom(null, 0, 200)], (fleet, pace, by, drawn, delayMs) => {
    const ticket = pick(fleet.tickets, drawn, isFresh(fleet));
    return ticket ? () => moves.unstart(fleet, pace, fleet.worker(by), ticket, delayMs) : null;
  }),
  operation(12, 'gate', [worker, draws], (fleet, pace, by, drawn) => {
    const tickets = pickSome(fleet.tickets, drawn, isFresh(fleet));
    const isWorthIt = tickets.length > 0 && (drawn[0]! % 8 === 0 || tickets.some(isFresh(fleet)));
    return isWorthIt ? () => moves.openGate(fleet, pace, moves.newGate(fleet.worker(by), tickets)) : null;
  }),
  operation(3, 'repeat gate', [draw], (fleet, pace, drawn) => {
    const gate = pick(fleet.lostGates, drawn, () => true);
    if (!gate) return null;
    return () => {
      fleet.lostGates = fleet.lostGates.filter(other => other !== gate);
      return moves.openGate(fleet, pace, gate);
    };
  }),
  operation(8, 'beat', [draws], (fleet, pace, drawn) => {
    const runs = someRuns(fleet, drawn);
    return runs.length > 0 ? () => moves.beatRuns(fleet, pace, runs[0]!.by, runs) : null;
  }),
  operation(8, 'isolate', [draw], (fleet, pace, drawn) => {
    const run = pick(fleet.runs, drawn, held => isHeld(fleet)(held) && held.state.crashes >= 2);
    return run && (isHeld(fleet)(run) || drawn % 8 === 0) ? () => moves.isolate(fleet, pace, run) : null;
  }),
  operation(9, 'record', [draws, handlerEnds], (fleet, pace, drawn, ends) => {
    const runs = someRuns(fleet, drawn);
    if (runs.length === 0) return null;
    const group = { by: runs[0]!.by, ends: runs.map((run, at) => endOf(fleet, run, ends[at]!)) };
    return () => moves.record(fleet, pace, group);
  }),
  operation(30, 'late success', [draw], (fleet, pace, drawn) => {
    const run = pick(fleet.runs.filter(isGivenUp(fleet)), drawn, () => true);
    return run ? () => moves.record(fleet, pace, { by: run.by, ends: [endOf(fleet, run, success)] }) : null;
  }),
  operation(3, 'repeat record', [draw], (fleet, pace, drawn) => {
    const group = pick(fleet.lostGroups, drawn, () => true);
    if (!group) return null;
    return () => {
      fleet.lostGroups = fleet.lostGroups.filter(other => other !== group);
      return moves.record(fleet, pace, group);
    };
  }),
];
