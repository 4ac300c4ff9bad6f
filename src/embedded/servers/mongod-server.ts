import { mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { LedgerError, messageOf } from '../../platform/errors.ts';
import type { DataDir } from './data-dir.ts';
import { freePort } from './free-port.ts';
import type { MongodBinary } from './mongod-binary.ts';
import type { ProcessGuard } from './process-guard.ts';
import { endProcess, identify, signal } from './process-identity.ts';

/** A MongoDB that runs as a child of this process. */
export interface MongoServer {
  readonly uri: string;
  readonly port: number;
  readonly pid: number;
  /** Sends a signal; SIGKILL and SIGTERM resolve when the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

export interface StartMongodOptions {
  /** null downloads one. */
  binary: MongodBinary | null;
  dataDir: DataDir;
  guard: ProcessGuard;
  port?: number;
}

const REPLICA_SET = 'rs0';
const GRACE_MS = 10_000;

/**
 * Starts `mongod` as a one-node replica set. Its configuration holds its address, so data go with their port: the folder is
 * `mongod-<port>`, and a later start takes the same port where it can.
 * @throws LedgerError `server-failed`
 */
export async function startMongod(options: StartMongodOptions): Promise<MongoServer> {
  const { binary, dataDir, guard } = options;
  // Loaded here alone: a development dependency that production images do not carry.
  const { MongoMemoryReplSet } = await import('mongodb-memory-server-core');
  const port = options.port ?? (await earlierPort(dataDir)) ?? (await freePort());
  const dbPath = join(dataDir.path, `mongod-${port}`);
  mkdirSync(dbPath, { recursive: true });
  const replicaSet = new MongoMemoryReplSet({
    binary: binary ? { systemBinary: binary.file, version: binary.version } : {},
    instanceOpts: [{ port, dbPath, launchTimeout: 30_000 }],
    replSet: { name: REPLICA_SET, count: 1, storageEngine: 'wiredTiger', spawn: { detached: true } },
  });
  try {
    await replicaSet.start();
  } catch (error) {
    throw new LedgerError('server-failed', `mongod did not start: ${messageOf(error)}`, { cause: error });
  }
  const pid = replicaSet.servers[0]?.instanceInfo?.instance.mongodProcess?.pid ?? 0;
  guard.watch(pid, GRACE_MS);
  const recordName = `mongod-${port}`;
  const identity = identify(pid);
  if (identity) dataDir.record(recordName, identity);
  return {
    uri: `mongodb://127.0.0.1:${port}/?replicaSet=${REPLICA_SET}`,
    port,
    pid,
    kill: async name => {
      if (identity) signal(identity, name);
      if (identity && (name === 'SIGKILL' || name === 'SIGTERM')) await endProcess(identity, GRACE_MS);
    },
    stop: async () => {
      await replicaSet.stop({ doCleanup: false });
      guard.forget(pid);
      dataDir.unrecord(recordName);
    },
  };
}

async function earlierPort(dataDir: DataDir): Promise<number | null> {
  for (const name of readdirSync(dataDir.path)) {
    const port = Number(/^mongod-(\d+)$/.exec(name)?.[1] ?? 0);
    if (port > 0 && (await isFree(port))) return port;
  }
  return null;
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
