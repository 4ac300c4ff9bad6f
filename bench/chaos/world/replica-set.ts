import { mongo } from 'mongoose';
import { readServerSettings } from '../../../src/config/server-settings.ts';
import { freePort } from '../../../src/embedded/servers/free-port.ts';
import { findMongod } from '../../../src/embedded/servers/mongod-binary.ts';
import { ServerProcess } from '../../../src/embedded/servers/server-process.ts';
import type { OwnMongo } from '../../../test/helpers/mongo.ts';
import { type ScratchDir, scratchDataDir, sharedGuard } from '../../../test/helpers/servers.ts';
import { monotonicMs, pause } from '../monotonic.ts';

const SET = 'chaos';
const HEALTHY_MS = 90_000;
const [PRIMARY, SECONDARY] = [1, 2];

interface Member {
  readonly port: number;
  server: ServerProcess | null;
}

/** Why there can be no replica set here; null when there can. */
export async function missingMongod(): Promise<string | null> {
  const found = await mongod().catch(() => null);
  return found ? null : 'needs mongod: name one in MONGOD_BINARY, or put one into PATH';
}

function mongod() {
  const { MONGOD_BINARY, PATH } = process.env;
  const { embedded, path } = readServerSettings({ MONGOD_BINARY, PATH });
  return findMongod({ configured: embedded.mongodBinary, path });
}

/** Three `mongod` of this machine as one replica set. What hits "the" MongoDB of a round hits its primary of that moment. */
export class ReplicaSet implements OwnMongo {
  readonly #binary: string;
  readonly #scratch: ScratchDir;
  readonly #members: readonly Member[];
  #paused: readonly Member[] = [];
  /** The primary whose followers are paused. */
  #alone: Member | null = null;

  private constructor(binary: string, scratch: ScratchDir, ports: readonly number[]) {
    this.#binary = binary;
    this.#scratch = scratch;
    this.#members = ports.map(port => ({ port, server: null }));
  }

  /** Resolves when there is a primary and both others follow it. @throws Error without a `mongod`. */
  static async start(): Promise<ReplicaSet> {
    const binary = await mongod();
    if (!binary) throw new Error((await missingMongod()) ?? 'no mongod');
    const ports = [await freePort(), await freePort(), await freePort()];
    const set = new ReplicaSet(binary.file, await scratchDataDir(), ports);
    try {
      await Promise.all(set.#members.map(member => set.#startMember(member)));
      await set.#initiate();
      await set.healthy();
      return set;
    } catch (error) {
      await set.stop();
      throw error;
    }
  }

  get uri(): string {
    const hosts = this.#members.map(({ port }) => `127.0.0.1:${port}`).join(',');
    return `mongodb://${hosts}/?replicaSet=${SET}`;
  }

  /** Of the first node. */
  get port(): number {
    return this.#members[0]!.port;
  }

  get pid(): number {
    return this.#members[0]!.server?.pid ?? 0;
  }

  async stop(): Promise<void> {
    await this.resume();
    for (const { server } of this.#members) await server?.stop();
    await this.#scratch.remove();
  }

  /** The primary. */
  async kill9(): Promise<void> {
    const primary = this.#alone ?? (await this.#primary());
    await primary.server?.kill('SIGKILL');
    primary.server = null;
  }

  /** Whatever does not run; resolves when it follows again. */
  async restart(): Promise<void> {
    for (const member of this.#members) if (!member.server) await this.#startMember(member);
    await this.healthy();
  }

  /** SIGSTOP of both others: the primary goes on for some seconds, and a majority has nothing of it. */
  async pause(): Promise<void> {
    const primary = await this.#primary();
    this.#alone = primary;
    this.#paused = this.#members.filter(member => member !== primary);
    for (const member of this.#paused) await member.server?.kill('SIGSTOP');
  }

  async resume(): Promise<void> {
    for (const member of this.#paused) await member.server?.kill('SIGCONT');
    this.#paused = [];
    this.#alone = null;
  }

  /** Resolves when one is primary and two are secondaries. @throws Error after a minute and a half. */
  async healthy(): Promise<void> {
    const end = monotonicMs() + HEALTHY_MS;
    for (;;) {
      const states = await this.#states().catch(() => []);
      const count = (state: number) => states.filter(one => one === state).length;
      if (count(PRIMARY!) === 1 && count(SECONDARY!) === this.#members.length - 1) return;
      if (monotonicMs() > end) throw new Error(`the replica set did not become healthy: states ${states.join(', ')}`);
      await pause(200);
    }
  }

  async #startMember(member: Member): Promise<void> {
    const { dataDir } = this.#scratch;
    const name = `mongod-${member.port}`;
    const place = ['--port', String(member.port), '--bind_ip', '127.0.0.1', '--dbpath', dataDir.folder(name)];
    member.server = await ServerProcess.start({
      name,
      command: this.#binary,
      args: ['--replSet', SET, ...place, '--oplogSize', '128', '--wiredTigerCacheSizeGB', '0.25'],
      ready: /waiting for connections/i,
      readyTimeoutMs: 60_000,
      graceMs: 10_000,
      guard: await sharedGuard(),
      dataDir,
    });
  }

  async #initiate(): Promise<void> {
    const members = this.#members.map(({ port }, _id) => ({ _id, host: `127.0.0.1:${port}` }));
    await ask(this.#members[0]!, { replSetInitiate: { _id: SET, members } });
  }

  async #primary(): Promise<Member> {
    await this.#waitForPrimary();
    for (const member of this.#members) {
      const hello = await ask(member, { hello: 1 }).catch(() => null);
      if (hello?.isWritablePrimary) return member;
    }
    throw new Error('the replica set has no primary');
  }

  async #waitForPrimary(): Promise<void> {
    const client = new mongo.MongoClient(this.uri, { serverSelectionTimeoutMS: HEALTHY_MS });
    try {
      await client.db('admin').command({ ping: 1 });
    } finally {
      await client.close();
    }
  }

  /** Of all members, as the first one that answers sees them. */
  async #states(): Promise<number[]> {
    for (const member of this.#members) {
      const status = await ask(member, { replSetGetStatus: 1 }).catch(() => null);
      if (status) return (status.members as { state: number }[]).map(({ state }) => state);
    }
    return [];
  }
}

/** One command to one node, whatever its role. */
async function ask({ port }: Member, command: mongo.Document): Promise<mongo.Document> {
  const client = new mongo.MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 2_000,
  });
  try {
    return await client.db('admin').command(command);
  } finally {
    await client.close();
  }
}
