import type { mongo } from 'mongoose';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

/** Findings by rule; rules that found nothing are missing. */
export type FoundByRule = Readonly<Record<string, number>>;

/** A round of the background check: the walk over the ledger that is under way, or the last one that ended. */
export interface CheckRound {
  startedAt: Date;
  /** Null while it is under way. */
  finishedAt: Date | null;
  /** The walk goes on below this id; null: from the newest job. */
  below: mongo.ObjectId | null;
  /** Jobs that it has looked at. */
  jobs: number;
  found: FoundByRule;
  /** Leftovers of all lanes in the engine; null: it could not be asked. */
  leftovers: number | null;
}

/** The one document of the collection `checks`: what the fleet knows of itself, whichever process looked. */
export interface CheckRecord {
  _id: 'verify';
  /** Under way, as it was saved last; who is elected next goes on here. */
  round: CheckRound | null;
  /** The last one that ended. */
  last: CheckRound | null;
}

function checks(context: StoreContext): mongo.Collection<CheckRecord> {
  return context.db.collection<CheckRecord>('checks');
}

export async function readCheckRecord(context: StoreContext): Promise<CheckRecord | null> {
  return context.bounded(checks(context).findOne({ _id: 'verify' }), 'reading the check');
}

/** Saves where a round is; one that has ended takes the place of the last one. */
export async function saveCheckRound(context: StoreContext, round: CheckRound): Promise<void> {
  const fields = round.finishedAt === null ? { round } : { round: null, last: round };
  await context.bounded(
    checks(context).updateOne(
      { _id: 'verify' },
      { $set: fields, ...(round.finishedAt === null ? { $setOnInsert: { last: null } } : {}) },
      { upsert: true, writeConcern: WRITE_CONCERNS.one! },
    ),
    'saving the check',
  );
}
