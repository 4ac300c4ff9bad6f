import type { ServerSettings } from '../../config/server-settings.ts';
import { LedgerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { connectLedger } from '../../platform/mongo.ts';
import type { DataDir } from './data-dir.ts';
import { startEmbeddedMongo } from './embedded-mongo.ts';
import { findMongod } from './mongod-binary.ts';
import { type MongoServer, startMongod } from './mongod-server.ts';
import type { ProcessGuard } from './process-guard.ts';

export interface RunningMongo {
  uri: string;
  kind: 'configured' | 'mongod' | 'downloaded' | 'embedded';
  version: string;
  stop(): Promise<void>;
}

export interface StartMongoOptions {
  settings: Pick<ServerSettings, 'mongoUri' | 'embedded' | 'path'>;
  guard: ProcessGuard;
  dataDir: DataDir;
  log: Pick<Logger, 'warn'>;
}

/**
 * MONGO_URI; else a `mongod` of this machine as a one-node replica set; else the embedded ledger server. LEDGERMQ_MONGO
 * insists on one of them; only `download` ever downloads.
 * @throws LedgerError `mongo-unreachable`, `no-mongod`, `server-failed`
 */
export async function startMongo(options: StartMongoOptions): Promise<RunningMongo> {
  const { settings } = options;
  if (settings.mongoUri !== null) {
    const version = await versionOf(settings.mongoUri);
    return { uri: settings.mongoUri, kind: 'configured', version, stop: async () => undefined };
  }
  const { server, kind } = await startMongoServer(options);
  try {
    return { uri: server.uri, kind, version: await versionOf(server.uri), stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

interface StartMongoServerOptions extends StartMongoOptions {
  port?: number;
  /** More arguments for the embedded ledger server; they make it the choice. */
  embeddedArgs?: readonly string[];
}

/**
 * Starts one of this process's own, whatever MONGO_URI says.
 * @throws LedgerError `no-mongod`, `server-failed`
 * @public tests call it in the compiled tree, which knip does not see
 */
export async function startMongoServer(
  options: StartMongoServerOptions,
): Promise<{ server: MongoServer; kind: 'mongod' | 'downloaded' | 'embedded' }> {
  const { settings, log } = options;
  const choice = options.embeddedArgs ? 'embedded' : settings.embedded.mongo;
  const embedded = async () => ({
    server: await startEmbeddedMongo({ ...options, args: options.embeddedArgs ?? [] }),
    kind: 'embedded' as const,
  });
  if (choice === 'embedded') return embedded();
  const binary = await findMongod({ configured: settings.embedded.mongodBinary, path: settings.path });
  if (!binary && choice === 'mongod') throw new LedgerError('no-mongod', NO_MONGOD);
  if (!binary && choice === 'auto') return embedded();
  try {
    return { server: await startMongod({ ...options, binary }), kind: binary?.kind ?? 'downloaded' };
  } catch (error) {
    if (choice !== 'auto') throw error;
    log.warn({ err: messageOf(error) }, 'the mongod here did not start: the embedded ledger server takes over');
    return embedded();
  }
}

/** Connects as LedgerMQ does, so that a server that it would refuse is refused here. */
async function versionOf(uri: string): Promise<string> {
  try {
    const ledger = await connectLedger({ uri, appName: 'ledgermq-servers', deadlineMs: 10_000 });
    try {
      const info = await ledger.db.admin().serverInfo();
      return String(info.version);
    } finally {
      await ledger.close();
    }
  } catch (error) {
    throw new LedgerError('mongo-unreachable', `MongoDB cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

const NO_MONGOD = `LEDGERMQ_MONGO=mongod, but no mongod was found. Name one in MONGOD_BINARY, put one into PATH, or choose
LEDGERMQ_MONGO=download (fetches one) or LEDGERMQ_MONGO=embedded (needs nothing).`;
