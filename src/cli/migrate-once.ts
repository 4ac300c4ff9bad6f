import type { Config } from '../config/config.ts';
import { migrate } from '../pipeline/store/migrate.ts';
import { createStoreContext } from '../pipeline/store/store-context.ts';
import { connectLedger } from '../platform/mongo.ts';

/** Connects, brings the ledger into shape, disconnects. @throws LedgerError, or the driver's error */
export async function migrateOnce(config: Config): Promise<void> {
  const { uri, deadlineMs } = config.mongo;
  const ledger = await connectLedger({ uri, appName: 'ledgermq-migrate', deadlineMs });
  try {
    const { lease, retention } = config;
    await migrate(createStoreContext({ ledger, processId: `migrate:${process.pid}`, lease, retention, deadlineMs }));
  } finally {
    await ledger.close();
  }
}
