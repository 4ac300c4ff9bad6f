import {
  expireUnstarted,
  lookAtLeases,
  markSuspect,
  refreshQueued,
  releaseQueued,
  rescueRun,
  writeQueued,
} from '../../../src/pipeline/store/recovery-store.ts';
import type { Fleet, Pace, Seen } from './fleet.ts';
import type { Job } from './job.ts';
import * as model from './recovery-operations.ts';

/** The sweeper's moves. When to make them is the sweeper's own business: here every moment is good, right or wrong. */

const FIELDS = ['status', 'failures', 'crashes', 'isolatedRescues', 'queuedRefreshes', 'runSeq'] as const;

function shownOf(seen: Pick<Job, (typeof FIELDS)[number]>, id: string, runKey: string | null): string {
  return [id, runKey, ...FIELDS.map(field => seen[field])].join(' ');
}

/** What is seen takes the place of what was seen before, or is kept beside it: a sweeper may act on an old picture. */
export function look(fleet: Fleet, pace: Pace, by: string): Promise<void> {
  return fleet.go(by, pace, {
    label: 'looks for expired leases',
    model: model.findExpired(fleet.world),
    real: async context => (await lookAtLeases(context, 0)).expired,
    view: found => new Set(found.map(job => shownOf(job, job._id.toHexString(), job.runKey?.toHexString() ?? null))),
    expected: seen => new Set(seen.map(job => shownOf(job, job.id, job.runKey))),
    done: (found, seen) => {
      const byId = new Map(seen.map(job => [job.id, job]));
      fleet.seen.push(...found.map(real => ({ by, real, model: byId.get(real._id.toHexString())! })));
    },
  });
}

export function sweepQueued(
  fleet: Fleet,
  pace: Pace,
  by: string,
  entries: readonly { seen: Seen; place: model.Place }[],
): Promise<void> {
  return fleet.go(by, pace, {
    label: `finds ${entries.map(({ seen, place }) => `${seen.model.id} ${place}`).join(', ')}`,
    model: model.sweepQueued(
      fleet.world,
      entries.map(({ seen, place }) => ({ seen: seen.model, place })),
      by,
    ),
    real: context =>
      writeQueued(
        context,
        entries.map(({ seen: { real }, place }) => {
          const refresh = place === 'gone' ? null : refreshQueued(real, place);
          return refresh ?? releaseQueued(context, real);
        }),
      ),
    view: matched => matched,
    done: matched => fleet.census.count('S1 of what had moved', entries.length - matched),
  });
}

export function suspect(fleet: Fleet, pace: Pace, by: string, seen: Seen): Promise<void> {
  return fleet.go(by, pace, {
    label: `suspects ${seen.model.id} ${seen.model.runKey}`,
    model: model.suspect(fleet.world, seen.model),
    real: context => markSuspect(context, seen.real),
    view: marked => marked,
    done: marked => fleet.census.count(marked ? 'S2 step A' : 'S2 step A of what had moved'),
  });
}

export function rescue(fleet: Fleet, pace: Pace, by: string, seen: Seen): Promise<void> {
  return fleet.go(by, pace, {
    label: `rescues ${seen.model.id} ${seen.model.runKey}`,
    model: model.rescue(fleet.world, seen.model, by),
    real: context => rescueRun(context, seen.real),
    view: rescued => rescued?.to ?? null,
    done: rescued => {
      if (rescued) return;
      const job = fleet.world.jobs.get(seen.model.id);
      fleet.census.count('S2 of what had moved');
      if (job?.isCancelRequested && job.suspect === seen.model.suspect) fleet.census.count('S2 met by a cancel');
    },
  });
}

export function expire(fleet: Fleet, pace: Pace, by: string): Promise<void> {
  return fleet.go(by, pace, {
    label: 'expires what did not start in time',
    model: model.expireUnstarted(fleet.world, by),
    real: context =>
      expireUnstarted(context, (_id, error) => {
        throw error;
      }),
    view: tenants => tenants.length,
  });
}
