import { isTerminal } from '../../../src/pipeline/store/job-document.ts';
import type { Fleet, Pace } from './fleet.ts';
import type { Job } from './job.ts';
import * as moves from './moves.ts';
import * as recovery from './recovery-moves.ts';
import type { Place } from './recovery-operations.ts';
import { WHOLE } from './step.ts';

/** A run may be taken back, wait for its next attempt and then run; nothing may take longer. */
const ROUNDS = 3;
const LONGEST_DELAY_MS = 10_000;

/**
 * After the storm: every process is gone, the engine is empty, and one new worker goes on. Whatever state a job was left in, it
 * must come to an end.
 */
export async function calm(fleet: Fleet): Promise<void> {
  for (const index of [0, 1, 2]) fleet.crash(index);
  fleet.flush();
  fleet.inFlight = [];
  const by = fleet.worker(0);
  for (let round = 0; round < ROUNDS && open(fleet).length > 0; round += 1) {
    await heal(fleet, by);
    fleet.wait(LONGEST_DELAY_MS);
    await moves.claim(fleet, WHOLE, by, 10);
    await moves.openGate(fleet, WHOLE, moves.newGate(by, [...fleet.tickets]));
    const ends = fleet.runs.map(({ ref, runKey }) => ({
      run: ref,
      outcome: { kind: 'completed', result: runKey } as const,
    }));
    if (ends.length > 0) await moves.record(fleet, WHOLE, { by, ends });
    await fleet.verify();
  }
  const stuck = open(fleet);
  if (stuck.length > 0) throw new Error(`stuck: ${stuck.map(({ id, status }) => `${id} is ${status}`).join()}`);
}

const open = (fleet: Fleet): Job[] => [...fleet.world.jobs.values()].filter(job => !isTerminal(job.status));

/** Every lease runs out, and the sweeper does what it should. */
async function heal(fleet: Fleet, by: string): Promise<void> {
  for (const job of open(fleet)) if (job.beat !== null && !job.isOver) await fleet.runOut(job);
  await sweep(fleet, by);
  await sweep(fleet, by);
  await fleet.verify();
}

/** A look, and everything that follows from it; its rescues may stand still between their two writes. */
export async function sweep(fleet: Fleet, by: string, rescuePace: Pace = WHOLE, place: Place = 'gone'): Promise<void> {
  const before = fleet.seen.length;
  await recovery.look(fleet, WHOLE, by);
  for (const seen of fleet.seen.slice(before)) {
    if (seen.model.status === 'queued') await recovery.sweepQueued(fleet, WHOLE, by, [{ seen, place }]);
    else if (seen.model.suspect === null) await recovery.suspect(fleet, WHOLE, by, seen);
    else await recovery.rescue(fleet, rescuePace, by, seen);
  }
}
