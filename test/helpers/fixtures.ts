import { afterAll, inject } from 'vitest';
import { freshDatabase, type OwnMongo, startOwnMongo, type TestDatabase } from './mongo.ts';
import { sweepProcesses } from './processes.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { SmtpSink } from './smtp-sink.ts';

/*
 * Servers and databases for one test file. They may be asked for anywhere in it – at the top, in beforeAll, in a test – and
 * end with the file, the latest first; processes of spawnNode end before them.
 */

const cleanups: (() => Promise<void>)[] = [];

afterAll(async () => {
  await sweepProcesses();
  const failures: unknown[] = [];
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup().catch(error => failures.push(error));
  if (failures.length > 0) throw failures[0];
});

/** Runs at the end of the test file, before what was registered earlier. */
export function atEnd(cleanup: () => Promise<void>): void {
  cleanups.push(cleanup);
}

export async function useDatabase(): Promise<TestDatabase> {
  const database = await freshDatabase(inject('mongoUri'));
  atEnd(() => database.drop());
  return database;
}

export async function useRedis(options?: Parameters<typeof startRedis>[0]): Promise<TestRedis> {
  const redis = await startRedis(options);
  atEnd(() => redis.stop());
  return redis;
}

export async function useOwnMongo(options?: Parameters<typeof startOwnMongo>[0]): Promise<OwnMongo> {
  const server = await startOwnMongo(options);
  atEnd(() => server.stop());
  return server;
}

export async function useSmtpSink(): Promise<SmtpSink> {
  const sink = new SmtpSink();
  await sink.start();
  atEnd(() => sink.stop());
  return sink;
}
