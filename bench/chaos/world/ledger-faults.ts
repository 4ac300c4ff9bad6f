import { monotonicMs, pause } from '../monotonic.ts';
import { type Fault, type FaultScene, inRounds, type Rhythm } from './faults.ts';

/*
 * While MongoDB is away from everybody nobody can take a run back, and when it is there again every sweeper looks on for a
 * lease and a grace before it does. So an outage of all, however long, explains no extra run: `outlastsLease` is false.
 */

/** kill -9 of MongoDB, of the primary where there are three; it is started again on its data after `awayMs`. */
export function killMongo(options: Rhythm & { awayMs: number; firstMs?: number }): Fault {
  return inRounds(options, async scene => {
    const { mongo } = scene.world.servers;
    await asOutage(scene, `kill -9, away ${options.awayMs / 1_000} s`, async () => {
      await mongo.kill9();
      await pause(options.awayMs);
      await mongo.restart();
      await scene.world.probe.primaryAnswers();
    });
    return true;
  });
}

/** The primary steps down for `forMs`: the only node has none to follow it and comes back, of three another one is elected. */
export function stepDown(options: Rhythm & { forMs: number; firstMs?: number }): Fault {
  return inRounds(options, async scene => {
    const { probe } = scene.world;
    await asOutage(scene, 'step-down', async () => {
      await probe.command({ replSetStepDown: options.forMs / 1_000, force: true });
      await probe.primaryAnswers();
    });
    return true;
  });
}

/** kill -9 of the primary; it is started again when another one has been elected. */
export function killPrimary(options: Rhythm & { firstMs?: number }): Fault {
  return inRounds(options, async scene => {
    const { mongo } = scene.world.servers;
    await asOutage(scene, 'kill -9 of the primary', async () => {
      await mongo.kill9();
      await scene.world.probe.primaryAnswers();
    });
    await mongo.restart();
    return true;
  });
}

/** The primary is alone for `aloneMs`, then killed; the others elect one of them, and what it alone had is rolled back. */
export function rollBack(options: Rhythm & { aloneMs: number }): Fault {
  return inRounds(options, async scene => {
    const { mongo } = scene.world.servers;
    await asOutage(scene, 'roll-back', async () => {
      await mongo.pause();
      await pause(options.aloneMs);
      await mongo.kill9();
      await mongo.resume();
      await scene.world.probe.primaryAnswers();
    });
    await mongo.restart();
    return true;
  });
}

/** Every reply of MongoDB comes `ms` later, for `forMs`. */
export function slowMongo(options: Rhythm & { ms: number; forMs: number }): Fault {
  return inRounds(options, async (scene, signal) => {
    const { proxies } = scene.world.servers;
    await asOutage(scene, `replies ${options.ms} ms late`, async () => {
      proxies?.mongo.delay(options.ms);
      await pause(options.forMs, signal);
      await proxies?.mongo.heal();
    });
    return true;
  });
}

const ERRORS = {
  NotWritablePrimary: { errorCode: 10107 },
  WriteConflict: { errorCode: 112 },
  'closed connection': { closeConnection: true },
} as const;

/** What each kind of process sends all the time. */
const COMMANDS = {
  'ledgermq-worker': ['update', 'find', 'aggregate'],
  'ledgermq-publisher': ['insert', 'find', 'update', 'commitTransaction', 'findAndModify'],
} as const;

/** One to three commands of a kind fail, by the fail point that MongoDB's own driver tests use. */
export function failCommands(rhythm: Rhythm): Fault {
  const forMs = rhythm.everyMs * 0.8;
  return inRounds(rhythm, async (scene, signal, number) => {
    const { random, world } = scene;
    const appName = number % 2 === 0 ? 'ledgermq-worker' : 'ledgermq-publisher';
    const failCommand = random.pick(COMMANDS[appName]);
    const name = random.pick(Object.keys(ERRORS) as (keyof typeof ERRORS)[]);
    const data = { failCommands: [failCommand], appName, ...ERRORS[name] };
    const point = { configureFailPoint: 'failCommand' };
    const hits = await asOutage(scene, `${failCommand} of ${appName}: ${name}`, async () => {
      const before = await world.probe.command({ ...point, mode: { times: random.int(1, 3) }, data });
      await pause(forMs, signal);
      const after = await world.probe.command({ ...point, mode: 'off' });
      return Number(after.count) - Number(before.count);
    });
    // Some commands are rare: where none was sent meanwhile nothing has failed, and another kind is tried.
    return hits > 0;
  });
}

/** Puts it on record with its beginning and end, and what `during` counted, which it answers. */
async function asOutage<Hits>(scene: FaultScene, how: string, during: () => Promise<Hits>): Promise<Hits> {
  const at = monotonicMs();
  const hits = await during();
  const record = { kind: 'outage', of: 'mongo', how, at, until: monotonicMs(), outlastsLease: false } as const;
  scene.log.push(typeof hits === 'number' ? { ...record, hits } : record);
  return hits;
}
