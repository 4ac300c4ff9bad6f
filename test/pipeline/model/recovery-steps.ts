import fc from 'fast-check';
import { sweep } from './calm.ts';
import type { Fleet, Seen } from './fleet.ts';
import * as recovery from './recovery-moves.ts';
import type { Place } from './recovery-operations.ts';
import { draw, draws, jobsOf, operation, pick, pickSome, type WeightedStep, WHOLE, worker } from './step.ts';

const place = fc.constantFrom<Place[]>('gone', 'gone', 'gone', 'waiting', 'active');

type Sight = Fleet['seen'][number];

const isUnmoved = (fleet: Fleet) => (seen: Seen) => {
  const job = fleet.world.jobs.get(seen.model.id);
  return job?.status === seen.model.status && job.beat === seen.model.beat && job.suspect === seen.model.suspect;
};
const isQueued = ({ model }: Seen): boolean => model.status === 'queued';
const isSuspected = ({ model }: Seen): boolean => model.status === 'processing' && model.suspect !== null;
const isUnsuspected = ({ model }: Seen): boolean => model.status === 'processing' && model.suspect === null;

function one(fleet: Fleet, drawn: number, kind: (seen: Seen) => boolean): Sight | undefined {
  return pick(fleet.seen.filter(kind), drawn, isUnmoved(fleet));
}

/** Sweepers that act at the right time, too early, too late and on what is long past. */
export const recoverySteps: WeightedStep[] = [
  operation(5, 'look', [worker], (fleet, pace, by) =>
    jobsOf(fleet).some(job => job.isOver) ? () => recovery.look(fleet, pace, fleet.worker(by)) : null,
  ),
  operation(12, 'sweep', [worker, fc.boolean(), place], (fleet, _pace, by, isHeld, found) => {
    const pace = isHeld ? { ...WHOLE, commands: 1 } : WHOLE;
    return jobsOf(fleet).some(job => job.isOver) ? () => sweep(fleet, fleet.worker(by), pace, found) : null;
  }),
  operation(2, 'sweep queued', [draws, place], (fleet, pace, drawn, found) => {
    const picked = pickSome(fleet.seen.filter(isQueued), drawn, isUnmoved(fleet));
    const own = [...new Set(picked.filter(seen => seen.by === picked[0]!.by))];
    const entries = own.map(seen => ({ seen, place: found }));
    return own.length > 0 ? () => recovery.sweepQueued(fleet, pace, own[0]!.by, entries) : null;
  }),
  operation(4, 'suspect', [draw], (fleet, pace, drawn) => {
    const seen = one(fleet, drawn, isUnsuspected);
    return seen ? () => recovery.suspect(fleet, pace, seen.by, seen) : null;
  }),
  operation(7, 'rescue', [draw], (fleet, pace, drawn) => {
    const seen = one(fleet, drawn, isSuspected);
    return seen ? () => recovery.rescue(fleet, pace, seen.by, seen) : null;
  }),
  operation(2, 'expire', [worker, fc.boolean()], (fleet, pace, by, isHeld) =>
    jobsOf(fleet).some(job => job.startBy !== null)
      ? () => recovery.expire(fleet, isHeld ? { ...WHOLE, commands: 1 } : pace, fleet.worker(by))
      : null,
  ),
];
