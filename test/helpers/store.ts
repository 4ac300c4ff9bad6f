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
