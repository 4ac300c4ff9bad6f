import { monotonicMs, pause } from '../monotonic.ts';
import type { FaultRecord } from '../oracle/evidence.ts';
import { type Fault, type FaultScene, flushRedis, killWorkers, stopWorkers } from './faults.ts';
import { rollingRestart } from './restart-faults.ts';

const ONCE = { everyMs: 0, times: 1 };
/** Between two faults. */
const CALM_MS = { least: 1_000, most: 6_000 };

/**
 * One fault after the other for `forMs` times the scale, drawn as from a bag, so that also a short soak meets each of them. The
 * first API and the first worker are spared: they live through all of it.
 */
export function soak(options: { forMs: number; stopMs: number }): Fault {
  const kill = killWorkers(ONCE);
  const stop = stopWorkers({ ...ONCE, forMs: options.stopMs });
  const flush = flushRedis(ONCE);
  const each = [kill, stop, flush, restartRedis, killMongo, rollingRestart(ONCE)];
  const moreOf = [kill, kill, stop, flush];
  return async (scene, signal) => {
    const { world, random, scale } = scene;
    const end = monotonicMs() + options.forMs * scale;
    const [worker] = world.fleet.workers;
    const [api] = world.fleet.apis;
    let bag: Fault[] = [...each];
    await world.fleet.spare(worker!, () =>
      world.fleet.spare(api!.process, async () => {
        while (monotonicMs() < end && !signal.aborted) {
          if (bag.length === 0) bag = [...each, ...moreOf];
          const [fault] = bag.splice(random.int(0, bag.length - 1), 1);
          // A start without its servers is an error: what replaces the last victim is up before the next fault.
          await world.fleet.up(signal);
          await fault!({ ...scene, scale: 1 }, signal);
          await pause(random.int(CALM_MS.least, CALM_MS.most), signal);
        }
      }),
    );
  };
}

/** kill -9 of Redis, which comes back empty after a while. */
async function restartRedis(scene: FaultScene): Promise<void> {
  const { redis } = scene.world.servers;
  await away(scene, 'redis', async () => {
    await redis.kill9();
    await pause(scene.random.int(0, 5_000));
    await redis.restart({ empty: true });
  });
}

/** kill -9 of MongoDB, which comes back with its data after a while. */
async function killMongo(scene: FaultScene): Promise<void> {
  const { mongo } = scene.world.servers;
  await away(scene, 'mongo', async () => {
    await mongo.kill9();
    await pause(scene.random.int(0, 5_000));
    await mongo.restart();
  });
}

/** While a server is away from everybody nobody takes a run back: no extra run is explained by it. */
async function away({ log }: FaultScene, of: 'mongo' | 'redis', during: () => Promise<void>): Promise<void> {
  const record = { kind: 'outage', of, how: 'kill -9', outlastsLease: false } satisfies Partial<FaultRecord>;
  const at = monotonicMs();
  await during();
  log.push({ ...record, at, until: monotonicMs() });
}
