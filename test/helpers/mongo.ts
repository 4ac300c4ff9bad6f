import { randomBytes } from 'node:crypto';
import { mongo } from 'mongoose';
import type { EmbeddedMongo } from '../../src/embedded/servers/embedded-mongo.ts';
import { importEmbeddedMongo, scratchDataDir, sharedGuard } from './servers.ts';

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
 * A private embedded ledger server that a test may kill, pause and restart; the server of the suite is shared and must live.
 * `args` are passed on to the server.
 */
export async function startOwnMongo(options: { port?: number; args?: readonly string[] } = {}): Promise<OwnMongo> {
  const [{ startEmbeddedMongo }, guard, scratch] = await Promise.all([
    importEmbeddedMongo(),
    sharedGuard(),
    scratchDataDir(),
  ]);
  const start = (port?: number) =>
    startEmbeddedMongo({
      guard,
      dataDir: scratch.dataDir,
      args: options.args ?? [],
      ...(port === undefined ? {} : { port }),
    });
  return new OwnMongoServer(await start(options.port), start, () => scratch.remove());
}

class OwnMongoServer implements OwnMongo {
  #server: EmbeddedMongo;
  readonly #start: (port: number) => Promise<EmbeddedMongo>;
  readonly #remove: () => Promise<void>;

  constructor(server: EmbeddedMongo, start: (port: number) => Promise<EmbeddedMongo>, remove: () => Promise<void>) {
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
    await this.#server.process.kill('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.#server.stop();
    this.#server = await this.#start(this.port);
  }

  async pause(): Promise<void> {
    await this.#server.process.kill('SIGSTOP');
  }

  async resume(): Promise<void> {
    await this.#server.process.kill('SIGCONT');
  }
}
