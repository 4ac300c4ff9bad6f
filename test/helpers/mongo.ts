import { randomBytes } from 'node:crypto';
import { mongo } from 'mongoose';
import { readServerSettings } from '../../src/config/server-settings.ts';
import type { MongoServer } from '../../src/embedded/servers/mongod-server.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { importMongo, scratchDataDir, sharedGuard } from './servers.ts';

export interface TestDatabase {
  /** Connection string with the database in it: what MONGO_URI takes. */
  readonly uri: string;
  readonly name: string;
  readonly client: mongo.MongoClient;
  readonly db: mongo.Db;
  /** Drops the database and closes the client. */
  drop(): Promise<void>;
}

/** A database of its own on the suite's server (TEST_MONGO_URI, set by global-setup), or on the server of `serverUri`. */
export async function freshDatabase(serverUri: string | undefined = process.env.TEST_MONGO_URI): Promise<TestDatabase> {
  if (!serverUri) throw new Error('no MongoDB: TEST_MONGO_URI is not set and no server was given');
  const name = `test_${process.pid}_${randomBytes(5).toString('hex')}`;
  const uri = withDatabase(serverUri, name);
  const client = new mongo.MongoClient(uri, { serverSelectionTimeoutMS: 10_000 });
  await client.connect();
  const db = client.db(name);
  const drop = async () => {
    await db.dropDatabase().catch(() => undefined);
    await client.close();
  };
  return { uri, name, client, db, drop };
}

/** Puts a database name into a connection string and leaves the rest as it is. */
export function withDatabase(uri: string, name: string): string {
  const [, base, query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri) ?? [];
  if (!base) throw new Error('not a MongoDB connection string');
  return `${base}/${name}${query}`;
}

export interface OwnMongo {
  readonly uri: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again on the same port and data, after `kill9()` or instead of a running one. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: connections stay open and nobody answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/**
 * A private MongoDB that a test may kill, pause and restart; the server of the suite is shared and must live. As for the
 * suite, LEDGERMQ_MONGO and MONGOD_BINARY choose. `args` are for the embedded ledger server, and make it the choice.
 */
export async function startOwnMongo(options: { port?: number; args?: readonly string[] } = {}): Promise<OwnMongo> {
  const { LEDGERMQ_MONGO, MONGOD_BINARY, PATH } = process.env;
  const [{ startMongoServer }, guard, scratch] = await Promise.all([importMongo(), sharedGuard(), scratchDataDir()]);
  const start = async (port?: number) => {
    const { server } = await startMongoServer({
      settings: readServerSettings({ NODE_ENV: 'test', LEDGERMQ_MONGO, MONGOD_BINARY, PATH }),
      guard,
      dataDir: scratch.dataDir,
      log: createLogger({ level: 'warn', name: 'test' }),
      ...(options.args ? { embeddedArgs: options.args } : {}),
      ...(port === undefined ? {} : { port }),
    });
    return server;
  };
  return new OwnMongoServer(await start(options.port), start, scratch.remove);
}

class OwnMongoServer implements OwnMongo {
  #server: MongoServer;
  readonly #start: (port: number) => Promise<MongoServer>;
  readonly #remove: () => Promise<void>;

  constructor(server: MongoServer, start: (port: number) => Promise<MongoServer>, remove: () => Promise<void>) {
    this.#server = server;
    this.#start = start;
    this.#remove = remove;
  }

  get uri(): string {
    return this.#server.uri;
  }

  get port(): number {
    return this.#server.port;
  }

  get pid(): number {
    return this.#server.pid;
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await this.#remove();
  }

  async kill9(): Promise<void> {
    await this.#server.kill('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.#server.stop();
    this.#server = await this.#start(this.port);
  }

  async pause(): Promise<void> {
    await this.#server.kill('SIGSTOP');
  }

  async resume(): Promise<void> {
    await this.#server.kill('SIGCONT');
  }
}
