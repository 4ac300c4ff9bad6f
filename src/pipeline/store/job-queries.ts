import { mongo } from 'mongoose';
import type { JobDocument } from './job-document.ts';
import { storageCall } from './storage-call.ts';
import type { StoreContext } from './store-context.ts';

/** Which jobs a caller may see: those of one tenant, or (`null`) of all. */
export type TenantView = string | null;

/** A job as a majority has it, or null when it is not there for this caller. `id` has 24 hex digits. */
export function findJobById(context: StoreContext, id: string, tenant: TenantView): Promise<JobDocument | null> {
  return storageCall(context, 'read a job', () =>
    context.jobs.findOne(
      { _id: new mongo.ObjectId(id), ...(tenant === null ? {} : { tenant }) },
      { readConcern: { level: 'majority' } },
    ),
  );
}
