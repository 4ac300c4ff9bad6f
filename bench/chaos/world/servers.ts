import { mongo } from 'mongoose';
import { type OwnMongo, startOwnMongo, withDatabase } from '../../../test/helpers/mongo.ts';
import { startRedis, type TestRedis } from '../../../test/helpers/redis.ts';
import { TcpProxy } from '../../../test/helpers/tcp-proxy.ts';
import { ReplicaSet } from './replica-set.ts';

export interface ServerOptions {
  /** Puts a proxy that can fail before both servers. */
  proxied?: boolean;
  /** Arguments for the embedded ledger server; they make it the choice. */
  mongoArgs?: readonly string[];
  /** A replica set of three `mongod`. */
  threeNodes?: boolean;
  /** Redis keeps an append-only file. */
  redisAof?: boolean;
}

/** MongoDB and Redis of one round: private, so that faults may do with them what they want. */
export class RoundServers {
  readonly mongo: OwnMongo;
  readonly redis: TestRedis;
  /** Null unless the round asked for them. `aside` is another way to MongoDB, for whom a worker's environment sends there. */
  readonly proxies: { readonly mongo: TcpProxy; readonly redis: TcpProxy; readonly aside: TcpProxy } | null;
  /** What the processes under test connect to; `mongoUri` with the database in it. */
  readonly mongoUri: string;
  readonly asideUri: string;
  readonly redisPort: number;
  /** The same database past the proxy, for the probe. */
  readonly directUri: string;

  private constructor(mongo: OwnMongo, redis: TestRedis, proxies: RoundServers['proxies']) {
    this.mongo = mongo;
    this.redis = redis;
    this.proxies = proxies;
    this.directUri = withDatabase(mongo.uri, 'chaos');
    this.mongoUri = proxies ? uriThrough(proxies.mongo) : this.directUri;
    this.asideUri = proxies ? uriThrough(proxies.aside) : this.directUri;
    this.redisPort = proxies?.redis.port ?? redis.port;
  }

  static async start(options: ServerOptions): Promise<RoundServers> {
    const redis = await startRedis({ aof: options.redisAof ?? false });
    const mongo = await (options.threeNodes
      ? ReplicaSet.start()
      : startOwnMongo(options.mongoArgs ? { args: options.mongoArgs } : {}));
    if (!options.proxied) return new RoundServers(mongo, redis, null);
    const proxies = { mongo: new TcpProxy(), redis: new TcpProxy(), aside: new TcpProxy() };
    await proxies.mongo.start({ target: mongo.port });
    await proxies.aside.start({ target: mongo.port });
    await proxies.redis.start({ target: redis.port });
    return new RoundServers(mongo, redis, proxies);
  }

  /** One line that says which servers run. */
  async describe(): Promise<string> {
    const client = new mongo.MongoClient(this.directUri);
    const redis = this.redis.client();
    try {
      const { version, modules } = await client.db().admin().serverInfo();
      const isEmbedded = Array.isArray(modules) && modules.includes('embedded');
      const kind = isEmbedded ? 'embedded ledger server' : 'mongod';
      const redisVersion = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? '?';
      return `MongoDB ${String(version)} (${kind}), Redis ${redisVersion}${this.proxies ? ', each behind a proxy' : ''}`;
    } finally {
      await client.close();
      redis.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.proxies?.mongo.stop();
    await this.proxies?.aside.stop();
    await this.proxies?.redis.stop();
    await this.mongo.stop();
    await this.redis.stop();
  }
}

/** Without directConnection a driver leaves the proxy for the address that the server names. */
function uriThrough(proxy: TcpProxy): string {
  return `mongodb://127.0.0.1:${proxy.port}/chaos?directConnection=true`;
}
