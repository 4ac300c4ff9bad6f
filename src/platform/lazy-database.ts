import { createRequire } from 'node:module';
import type { mongo } from 'mongoose';
import { databaseOf } from './database-of.ts';

/**
 * A database for a process that may not need one: the driver is loaded when it is asked for first (synchronously, hence
 * `require`), and connects with the first command.
 */
export function lazyDatabase(uri: string, appName: string): () => mongo.Db {
  let db: mongo.Db | null = null;
  return () => {
    if (!db) {
      const { mongo } = createRequire(import.meta.url)('mongoose') as typeof import('mongoose');
      const client = new mongo.MongoClient(uri, { appName, serverSelectionTimeoutMS: 5_000, ignoreUndefined: true });
      db = client.db(databaseOf(uri));
    }
    return db;
  };
}
