import mongoose, { type Connection, type mongo } from 'mongoose';
import { databaseOf } from './database-of.ts';
import { withDeadline } from './deadline.ts';
import { LedgerError } from './errors.ts';
import { LedgerClock } from './ledger-clock.ts';

const OLDEST_SERVER = [6, 0] as const;

export interface LedgerConnection {
  readonly connection: Connection;
  readonly client: mongo.MongoClient;
  readonly db: mongo.Db;
  /** MongoDB's clock. */
  readonly clock: LedgerClock;
  /** Whether the primary can be reached, as the driver's monitor saw it last. */
  isConnected(): boolean;
  /** Called on every loss of the primary; the sweeper's observations start afresh then. Returns the way to stop. */
  onInterruption(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * Connects to the ledger and reads its clock.
 * @throws LedgerError `unsupported-mongodb` when the server is too old or no replica set.
 */
export async function connectLedger(options: {
  uri: string;
  appName: string;
  deadlineMs: number;
}): Promise<LedgerConnection> {
  const connection = mongoose.createConnection(options.uri, {
    appName: options.appName,
    dbName: databaseOf(options.uri),
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 5_000,
    heartbeatFrequencyMS: 2_000,
    minHeartbeatFrequencyMS: 250,
    maxPoolSize: 20,
    retryWrites: true,
    writeConcern: { w: 'majority', journal: true },
    bufferCommands: false,
    autoIndex: false,
    autoCreate: false,
    ignoreUndefined: true,
  });
  connection.on('error', () => undefined);
  try {
    await connection.asPromise();
    const db = connection.db!;
    const hello = await withDeadline(db.admin().command({ hello: 1 }), options.deadlineMs, 'hello');
    refuseUnsupported(await db.admin().serverInfo(), hello);
    const clock = new LedgerClock(() => db.admin().command({ hello: 1 }));
    await clock.start();
    return new MongooseLedger(connection, clock);
  } catch (error) {
    await connection.close(true).catch(() => undefined);
    throw error;
  }
}

function refuseUnsupported(info: mongo.Document, hello: mongo.Document): void {
  const [major = 0] = String(info.version).split('.').map(Number);
  if (major < OLDEST_SERVER[0]) {
    throw new LedgerError(
      'unsupported-mongodb',
      `MongoDB ${info.version} is too old: ${OLDEST_SERVER.join('.')} or newer is needed`,
    );
  }
  if (!hello.setName && hello.msg !== 'isdbgrid') {
    throw new LedgerError(
      'unsupported-mongodb',
      'MongoDB must run as a replica set (one node is enough): start mongod with --replSet',
    );
  }
}

class MongooseLedger implements LedgerConnection {
  readonly connection: Connection;
  readonly client: mongo.MongoClient;
  readonly db: mongo.Db;
  readonly clock: LedgerClock;
  #hasPrimary = true;
  readonly #listeners = new Set<() => void>();

  constructor(connection: Connection, clock: LedgerClock) {
    this.connection = connection;
    this.client = connection.getClient();
    this.db = connection.db!;
    this.clock = clock;
    this.client.on('topologyDescriptionChanged', event => this.#topologyChanged(event.newDescription));
  }

  isConnected(): boolean {
    return this.#hasPrimary;
  }

  onInterruption(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.clock.stop();
    await this.connection.close(true);
  }

  #topologyChanged(description: mongo.TopologyDescription): void {
    // By server, not by topology: with directConnection the topology is `Single` whatever the server is.
    const hasPrimary = [...description.servers.values()].some(server => server.isWritable);
    if (hasPrimary === this.#hasPrimary) return;
    this.#hasPrimary = hasPrimary;
    if (hasPrimary) this.clock.refreshSoon();
    for (const listener of this.#listeners) listener();
  }
}
