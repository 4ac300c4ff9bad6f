import { expect, it } from 'vitest';
import { waitFor } from '../../helpers/wait-for.ts';
import { type Client, connect, type Db, type ServerProcess, scratch, spawnServer } from '../wire-server/harness.ts';

const ROUNDS = Number(process.env.KILLS ?? 10);
const journaled = { writeConcern: { w: 1, j: true } } as const;
const quick = { writeConcern: { w: 1 } } as const;

interface Thing {
  _id: string;
  n: number;
  m?: number;
}

/** What the clients know: names of what was acknowledged, kept where no server can lose them. */
class Log {
  readonly inserted: string[] = [];
  readonly increments = new Map<string, number>();
  readonly attempts = new Map<string, number>();
  readonly once: string[] = [];
  readonly pairs: string[] = [];
  readonly quick: string[] = [];

  get size(): number {
    return this.inserted.length + this.once.length + this.pairs.length + this.quick.length;
  }
}

type Writer = (name: string) => Promise<void>;

/** Each does one thing; `name` is new each time. What throws was not acknowledged. */
function writersOf(client: Client, db: Db, log: Log): Writer[] {
  const things = (name: string) => db.collection<Thing>(name);
  const insert: Writer = async name => {
    await things('inserted').insertOne({ _id: name, n: 1 }, journaled);
    log.inserted.push(name);
  };
  const increment: Writer = async name => {
    const _id = name.split('-')[0]!;
    log.attempts.set(_id, (log.attempts.get(_id) ?? 0) + 1);
    await things('counters').updateOne({ _id }, { $inc: { n: 1, m: 1 } }, { upsert: true, ...journaled });
    log.increments.set(_id, (log.increments.get(_id) ?? 0) + 1);
  };
  const once: Writer = async name => {
    await things('once').updateOne({ _id: name }, { $inc: { n: 1, m: 1 } }, { upsert: true, ...journaled });
    log.once.push(name);
  };
  const pair: Writer = async name => {
    const session = client.startSession();
    try {
      session.startTransaction(journaled);
      await things('pairs').insertOne({ _id: `${name}-left`, n: 1 }, { session });
      await things('pairs').insertOne({ _id: `${name}-right`, n: 1 }, { session });
      await session.commitTransaction();
      log.pairs.push(name);
    } finally {
      await session.endSession().catch(() => undefined);
    }
  };
  const unsynced: Writer = async name => {
    await things('quick').insertOne({ _id: name, n: Number(name.split('-')[1]) }, quick);
    log.quick.push(name);
  };
  return [insert, insert, increment, increment, once, pair, unsynced];
}

/** One after the other until `stop()`: a name is w<writer>-<number>. */
function startWriting(writers: readonly Writer[]): () => Promise<void> {
  let isWriting = true;
  const loops = writers.map(async (write, w) => {
    for (let n = 0; isWriting; n += 1) await write(`w${w}-${n}`).catch(() => undefined);
  });
  return async () => {
    isWriting = false;
    await Promise.all(loops);
  };
}

async function killRounds(rounds: number, ...args: string[]): Promise<{ db: Db; log: Log }> {
  const dataDir = scratch();
  let server: ServerProcess = await spawnServer(dataDir, 0, ...args);
  const client = await connect(server.uri);
  const db = client.db('test');
  const log = new Log();
  await Promise.all(['inserted', 'counters', 'once', 'pairs', 'quick'].map(name => db.createCollection(name)));
  const stop = startWriting(writersOf(client, db, log));
  for (let round = 0; round < rounds; round += 1) {
    const goal = log.size + 40 + ((round * 37) % 60);
    await waitFor(() => log.size > goal, { what: 'acknowledged writes', intervalMs: 1 });
    await server.end('SIGKILL');
    server = await spawnServer(dataDir, server.port, ...args);
  }
  await stop();
  await server.end('SIGKILL');
  await spawnServer(dataDir, server.port, ...args);
  return { db, log };
}

async function checkJournaled(db: Db, log: Log): Promise<void> {
  const all = async (name: string) =>
    new Map((await db.collection<Thing>(name).find().toArray()).map(thing => [thing._id, thing]));
  const [inserted, counters, once, pairs] = await Promise.all(['inserted', 'counters', 'once', 'pairs'].map(all));
  expect(
    log.inserted.filter(name => !inserted!.has(name)),
    'acknowledged and gone',
  ).toEqual([]);
  for (const [name, acknowledged] of log.increments) {
    const { n, m } = counters!.get(name)!;
    expect(m, 'both fields of one update').toBe(n);
    expect(n, 'increments').toBeGreaterThanOrEqual(acknowledged);
    expect(n, 'increments').toBeLessThanOrEqual(log.attempts.get(name)!);
  }
  expect(
    log.once.filter(name => !once!.has(name)),
    'acknowledged and gone',
  ).toEqual([]);
  expect(
    [...once!.values()].filter(({ n, m }) => n !== 1 || m !== 1),
    'applied twice or by half',
  ).toEqual([]);
  const names = new Set([...pairs!.keys()].map(key => key.replace(/-(left|right)$/, '')));
  const halves = [...names].filter(name => !(pairs!.has(`${name}-left`) && pairs!.has(`${name}-right`)));
  expect(halves, 'half a transaction').toEqual([]);
  expect(
    log.pairs.filter(name => !names.has(name)),
    'committed and gone',
  ).toEqual([]);
  // All kinds of writers got through.
  expect(Math.min(log.inserted.length, log.once.length, log.pairs.length, log.increments.size)).toBeGreaterThan(1);
}

it(`${ROUNDS} times kill -9 under load: all that was acknowledged is there, once and whole`, async () => {
  const { db, log } = await killRounds(ROUNDS);
  await checkJournaled(db, log);
  const stored = new Set(await db.collection<Thing>('quick').distinct('_id'));
  // The bytes of a w:1 write are with the operating system when it is acknowledged.
  expect(log.quick.filter(name => !stored.has(name))).toEqual([]);
  expect(log.quick.length).toBeGreaterThan(ROUNDS);
}, 300_000);

it('holding back w:1 writes loses nothing that waited for the disk', async () => {
  const rounds = Math.ceil(ROUNDS / 5);
  const { db, log } = await killRounds(rounds, '--hold-w1-ms', '100');
  await checkJournaled(db, log);
}, 300_000);
