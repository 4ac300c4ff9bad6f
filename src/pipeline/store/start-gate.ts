import { mongo } from 'mongoose';
import type { ClaimedJob, JobDocument } from './job-document.ts';
import { statusChange } from './status-change.ts';
import { isDocumentFault } from './storage-call.ts';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

export type Ticket = Pick<ClaimedJob, 'id' | 'token'>;

/**
 * T3: opens the gate for a group of claimed jobs with one write and one read.
 *
 * The pairs of `$or` decide who passes; `_id: $in` is for the planner. After a lost reply the same write is repeated with
 * the same run key until a majority has it: only then may a handler start, or a rollback could start it a second time.
 * Answers, for each ticket, its job when this run won, else null (stale: another run, life or claim owns the job).
 * @throws StorageUnavailableError or a driver error when this attempt failed; the caller repeats with the same `runKey`.
 */
export async function openStartGate(
  context: StoreContext,
  tickets: readonly Ticket[],
  runKey: mongo.ObjectId,
): Promise<(JobDocument | null)[]> {
  const { jobs, lease, processId, bounded } = context;
  const update = statusChange(context, {
    via: 'T3',
    from: 'queued',
    to: 'processing',
    runKey,
    set: { runKey, owner: processId, leaseMs: lease.leaseMs },
    inc: { runs: 1 },
    currentDate: ['beatAt', 'startedAt'],
    // Without startBy a job that started in time cannot expire when it comes back: retry, hand-back, lost worker.
    unset: ['suspectAt', 'isolatedAt', 'startBy'],
  });
  const ids = tickets.map(ticket => ticket.id);
  const options = { writeConcern: WRITE_CONCERNS.majority! };
  const pairs = tickets.map(({ id, token }) => ({ _id: id, token }));
  try {
    await bounded(jobs.updateMany({ _id: { $in: ids }, status: 'queued', $or: pairs }, update, options), 'start gate');
  } catch (error) {
    if (!isDocumentFault(error)) throw error;
    // One document that cannot take the update must not keep its neighbours from starting.
    for (const { id, token } of tickets) {
      await bounded(jobs.updateOne({ _id: id, status: 'queued', token }, update, options), 'start gate').catch(
        single => {
          if (!isDocumentFault(single)) throw single;
        },
      );
    }
  }
  const won = await bounded(
    jobs.find({ _id: { $in: ids }, runKey, status: 'processing' }, { readPreference: 'primary' }).toArray(),
    'start gate',
  );
  return winners(tickets, won);
}

/** The winner is the ticket whose id AND token are in the document, and at most one ticket a job. */
function winners(tickets: readonly Ticket[], won: readonly JobDocument[]): (JobDocument | null)[] {
  const open = new Map(won.map(job => [job._id.toHexString(), job]));
  return tickets.map(({ id, token }) => {
    const key = id.toHexString();
    const job = open.get(key);
    if (!job?.token?.equals(token)) return null;
    open.delete(key);
    return job;
  });
}

export function newRunKey(): mongo.ObjectId {
  return new mongo.ObjectId();
}
