import type { mongo } from 'mongoose';
import type { LeaseConfig } from '../../config/config.ts';
import { withDeadline } from '../../platform/deadline.ts';
import type { LedgerClock } from '../../platform/ledger-clock.ts';
import type { LedgerConnection } from '../../platform/mongo.ts';
import type { JobDocument } from './job-document.ts';
import type { Concern } from './transitions.ts';

export const WRITE_CONCERNS: Readonly<Record<Concern, mongo.WriteConcernOptions['writeConcern']>> = {
  'majority-journaled': { w: 'majority', journal: true },
  majority: { w: 'majority' },
  one: { w: 1 },
};

/** What every part of the store works with. */
export interface StoreContext {
  readonly client: mongo.MongoClient;
  readonly db: mongo.Db;
  readonly jobs: mongo.Collection<JobDocument>;
  readonly clock: LedgerClock;
  /** Id of this process, `host:pid:random`: owner of leases, author of history entries. */
  readonly processId: string;
  readonly lease: LeaseConfig;
  /** How long terminal jobs are kept, milliseconds. */
  readonly retention: { completedMs: number; failedMs: number };
  readonly deadlineMs: number;
  /** Waits at most `deadlineMs`. @throws StorageUnavailableError when MongoDB did not answer in time. */
  readonly bounded: <T>(work: Promise<T>, what: string) => Promise<T>;
}

export function createStoreContext(options: {
  ledger: LedgerConnection;
  processId: string;
  lease: LeaseConfig;
  retention: { completedMs: number; failedMs: number };
  deadlineMs: number;
}): StoreContext {
  const { ledger, deadlineMs } = options;
  return {
    client: ledger.client,
    db: ledger.db,
    jobs: ledger.db.collection<JobDocument>('jobs'),
    clock: ledger.clock,
    processId: options.processId,
    lease: options.lease,
    retention: options.retention,
    deadlineMs,
    bounded: (work, what) => withDeadline(work, deadlineMs, what),
  };
}
