import type { mongo } from 'mongoose';
import type { JobDocument, JobLogLine, RunRef } from './job-document.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

const LOGS_KEPT = 100;

/** What a handler reported since the last time. */
export interface RunNotes {
  /** Latest progress, `undefined` when it did not change. */
  progress?: unknown;
  logs: readonly JobLogLine[];
}

/** Puts notes into the parts of an update that is written anyway. */
export function addNotes(notes: RunNotes, set: Record<string, unknown>, push: Record<string, unknown>): void {
  if (notes.progress !== undefined) set.progress = notes.progress;
  if (notes.logs.length > 0) push.logs = { $each: notes.logs, $slice: -LOGS_KEPT };
}

/** Writes notes of running jobs; fenced, so a run that was lost writes nothing. */
export async function writeNotes(
  context: StoreContext,
  entries: readonly (RunRef & { notes: RunNotes })[],
): Promise<void> {
  const operations = entries.map(({ id, runKey, notes }): mongo.AnyBulkWriteOperation<JobDocument> => {
    const set: Record<string, unknown> = {};
    const push: Record<string, unknown> = {};
    addNotes(notes, set, push);
    const update = {
      ...(Object.keys(set).length > 0 ? { $set: set } : {}),
      ...(Object.keys(push).length > 0 ? { $push: push } : {}),
    } as mongo.UpdateFilter<JobDocument>;
    return { updateOne: { filter: { _id: id, status: 'processing', runKey }, update } };
  });
  await context.bounded(
    context.jobs.bulkWrite(operations, { ordered: false, writeConcern: WRITE_CONCERNS.one! }),
    'progress and logs',
  );
}
