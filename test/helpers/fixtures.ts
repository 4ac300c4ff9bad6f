import { afterAll, inject } from 'vitest';
import { freshDatabase, type OwnMongo, startOwnMongo, type TestDatabase } from './mongo.ts';
import { sweepProcesses } from './processes.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { SmtpSink } from './smtp-sink.ts';
import { TcpProxy } from './tcp-proxy.ts';

/*
 * Servers for one test file, cleaned up at its end. Call them at the top of the file or in beforeAll:
 *   const database = await useDatabase();
 */

export async function useDatabase(): Promise<TestDatabase> {
  const database = await freshDatabase(inject('mongoUri'));
  afterAll(() => database.drop());
  return database;
}

export async function useRedis(options?: Parameters<typeof startRedis>[0]): Promise<TestRedis> {
  const redis = await startRedis(options);
  afterAll(() => redis.stop());
  return redis;
}

export async function useOwnMongo(options?: Parameters<typeof startOwnMongo>[0]): Promise<OwnMongo> {
  const server = await startOwnMongo(options);
  afterAll(() => server.stop());
  return server;
}

export async function useProxy(target: number): Promise<TcpProxy> {
  const proxy = new TcpProxy();
  await proxy.start({ target });
  afterAll(() => proxy.stop());
  return proxy;
}

export async function useSmtpSink(): Promise<SmtpSink> {
  const sink = new SmtpSink();
  await sink.start();
  afterAll(() => sink.stop());
  return sink;
}

/** To be called once in a file that uses spawnNode: what it started ends with it. */
export function useProcesses(): void {
  afterAll(() => sweepProcesses());
}
