import type { mongo } from 'mongoose';
import type { HistoryEntry, JobDocument } from './job-document.ts';
import type { LaneDocument } from './lane-pauses.ts';
import type { StoreContext } from './store-context.ts';

/*
 * What `verify` reads. Every read goes along an index, is bounded, leaves payloads and results where they are, and shows only
 * what a majority has.
 */

const FIELDS = [
  'status',
  'queue',
  'runAt',
  'startBy',
  'queuedAt',
  'startedAt',
  'finishedAt',
  'expireAt',
  'maxRetries',
  'runs',
  'failures',
  'runSeq',
  'token',
  'runKey',
  'owner',
  'beatAt',
  'leaseMs',
  'suspectAt',
  'isolatedAt',
  'historySeq',
] as const satisfies readonly (keyof JobDocument)[];
const HISTORY_FIELDS = ['via', 'from', 'to', 'runKey'] as const satisfies readonly (keyof HistoryEntry)[];

/** A job without its contents. Nothing but the id is sure to be there, or to be of its kind: a rule finds that out. */
export type JobRecord = { _id: mongo.ObjectId; history?: HistoryRecord[] } & {
  [Field in (typeof FIELDS)[number]]?: JobDocument[Field];
};
export type HistoryRecord = Pick<HistoryEntry, (typeof HISTORY_FIELDS)[number]>;

const PROJECTION = Object.fromEntries(
  [...FIELDS, ...HISTORY_FIELDS.map(field => `history.${field}`)].map(field => [field, 1]),
);
const MOST_TOGETHER = 2_000;
const MAJORITY = { level: 'majority' } as const;

/** One page, the newest first: `below` is the last id of the page before, `from` the oldest that is asked for. */
export function readJobs(
  context: StoreContext,
  range: { below: mongo.ObjectId | null; from: mongo.ObjectId | null },
  limit: number,
): Promise<JobRecord[]> {
  const ids = { ...(range.below ? { $lt: range.below } : {}), ...(range.from ? { $gte: range.from } : {}) };
  const filter = Object.keys(ids).length > 0 ? { _id: ids } : {};
  return read(context, filter, { sort: { _id: -1 }, limit, hint: '_id_' });
}

/** Claimed and running jobs whose beat is older than the shortest lease and `lateMs` more; the oldest first. */
export function readLateLeases(context: StoreContext, lateMs: number, limit: number): Promise<JobRecord[]> {
  const { lease, clock } = context;
  const before = new Date(clock.now().getTime() - Math.min(lease.leaseMs, lease.queuedLeaseMs) - lateMs);
  return read(
    context,
    { status: { $in: ['queued', 'processing'] }, beatAt: { $lt: before } },
    { sort: { beatAt: 1 }, limit, hint: 'lease' },
  );
}

/** Jobs that should have failed as `expired` more than `lateMs` ago. */
export function readLateStarts(context: StoreContext, lateMs: number, limit: number): Promise<JobRecord[]> {
  const before = new Date(context.clock.now().getTime() - lateMs);
  return read(
    context,
    { startBy: { $lt: before }, status: { $in: ['pending', 'queued'] } },
    { sort: { startBy: 1 }, limit, hint: 'expiry' },
  );
}

/** These jobs as they are now; a deleted one is missing. */
export function readAgain(context: StoreContext, ids: readonly mongo.ObjectId[]): Promise<JobRecord[]> {
  return ids.length === 0 ? Promise.resolve([]) : read(context, { _id: { $in: [...ids] } }, {});
}

function read(
  { jobs, bounded }: StoreContext,
  filter: mongo.Filter<JobDocument>,
  options: mongo.FindOptions,
): Promise<JobRecord[]> {
  // One reply, not a first batch of 101 and another command for the rest.
  const batchSize = options.limit ?? MOST_TOGETHER;
  const found = jobs.find<JobRecord>(filter, { ...options, batchSize, projection: PROJECTION, readConcern: MAJORITY });
  return bounded(found.toArray(), 'reading jobs');
}

/**
 * The pending job of a lane that is due first, and since when it waits: since it was due, or since it was put back, because
 * a run that was handed back or rescued keeps its `runAt`. Null when none is pending.
 */
export async function readFirstDue(
  { jobs, bounded }: StoreContext,
  lane: string,
): Promise<{ id: string; since: Date } | null> {
  const [first] = await bounded(
    jobs
      .find(
        { queue: lane, status: 'pending' },
        {
          projection: { runAt: 1, 'history.at': 1 },
          sort: { runAt: 1 },
          limit: 1,
          hint: 'due',
          readConcern: MAJORITY,
        },
      )
      .toArray(),
    'reading the first due job',
  );
  if (!first) return null;
  const putBackAt = first.history?.at(-1)?.at ?? first.runAt;
  return { id: first._id.toHexString(), since: putBackAt > first.runAt ? putBackAt : first.runAt };
}

/** The claim token of each of these jobs that has one. */
export async function readTokens(
  { jobs, bounded }: StoreContext,
  ids: readonly mongo.ObjectId[],
): Promise<Map<string, string | undefined>> {
  if (ids.length === 0) return new Map();
  const found = jobs.find({ _id: { $in: [...ids] } }, { projection: { token: 1 }, readConcern: MAJORITY });
  const claimed = await bounded(found.toArray(), 'reading claims');
  return new Map(claimed.map(job => [job._id.toHexString(), job.token?.toHexString()]));
}

/** Lanes about which the ledger says that they are paused. */
export async function readPausedLanes({ db, clock, bounded }: StoreContext): Promise<Set<string>> {
  const lanes = db.collection<LaneDocument>('lanes');
  const paused = await bounded(lanes.find({ pausedAt: { $exists: true } }).toArray(), 'lane pauses');
  const now = clock.now();
  return new Set(paused.filter(lane => !lane.pausedUntil || lane.pausedUntil > now).map(lane => lane._id));
}
