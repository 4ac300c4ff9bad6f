import { mongo } from 'mongoose';
import type { JobDocument } from '../../src/pipeline/store/job-document.ts';
import { migrate } from '../../src/pipeline/store/migrate.ts';
import { createStoreContext, type StoreContext } from '../../src/pipeline/store/store-context.ts';
import { connectLedger } from '../../src/platform/mongo.ts';
import { testConfig } from './config.ts';
import { atEnd, useDatabase } from './fixtures.ts';

/** A migrated ledger on a database of its own; `as(name)` is the same ledger seen by another process. */
export async function useStore(): Promise<{ context: StoreContext; as(processId: string): StoreContext }> {
  const database = await useDatabase();
  const { lease, retention } = testConfig({ mongo: database, redis: { port: 1 } });
  const ledger = await connectLedger({ uri: database.uri, appName: 'test', deadlineMs: 20_000 });
  atEnd(() => ledger.close());
  const as = (processId: string) => createStoreContext({ ledger, processId, lease, retention, deadlineMs: 20_000 });
  const context = as('host:1:test');
  await migrate(context);
  return { context, as };
}

/** A job as the API would have inserted it, with what is given. */
export function newJobDocument(over: Partial<JobDocument> = {}): JobDocument {
  const now = new Date();
  return {
    _id: new mongo.ObjectId(),
    v: 1,
    tenant: 'default',
    type: 'test:job',
    version: 1,
    queue: 'default',
    priority: 5,
    payload: {},
    status: 'pending',
    // A second ago: the server's clock, which decides what is due, is estimated and may be some milliseconds behind.
    runAt: new Date(now.getTime() - 1_000),
    createdAt: now,
    maxRetries: 3,
    retry: { strategy: 'exponential', delayMs: 1_000 },
    timeoutMs: 10_000,
    runs: 0,
    failures: 0,
    crashes: 0,
    isolatedRescues: 0,
    queuedRefreshes: 0,
    runSeq: 1,
    history: [{ at: now, from: null, to: 'pending', by: 'test', via: 'T0' }],
    historySeq: 1,
    ...over,
  };
}
