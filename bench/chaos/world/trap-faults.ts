import { Queue } from 'bullmq';
import { VARIABLES } from '../../../src/config/variables.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import { openRuns } from './chaos-process.ts';
import { type Fault, inRounds, type Rhythm } from './faults.ts';
import type { Fleet } from './fleet.ts';
import { ask } from './operations.ts';

/** More would keep the new ones from their turn. */
const OLD_TICKETS_AT_ONCE = 10;

/**
 * Tickets that the engine had before come back in front of their jobs' new ones, as from an engine that was restored from an
 * older copy.
 */
export function restoreOldTickets({ everyMs }: { everyMs: number }): Fault {
  return async ({ world }, signal) => {
    const queue = new Queue(VARIABLES.QUEUE_NAME.default, {
      connection: world.servers.redis.client(),
      prefix: VARIABLES.QUEUE_PREFIX.default,
      skipVersionCheck: true,
    });
    // By job: the token that was seen last, until it has come back once.
    const seen = new Map<string, string>();
    for (let restored = 0; !signal.aborted; await pause(everyMs, signal)) {
      let room = OLD_TICKETS_AT_ONCE;
      for (const { name, data } of await queue.getWaiting(0, 200)) {
        const old = seen.get(data.id);
        if (old === data.token) continue;
        if (old !== undefined && room > 0) {
          room -= 1;
          restored += 1;
          const opts = { jobId: `restored-${restored}`, lifo: true, attempts: 1 };
          await queue.add(name, { id: data.id, token: old }, opts);
        }
        seen.set(data.id, data.token);
      }
    }
    await queue.close();
  };
}

/** Every reply of the ledger takes so much longer. */
export function delayLedger(ms: number): Fault {
  return async ({ world, log }, signal) => {
    const at = monotonicMs();
    world.servers.proxies?.mongo.delay(ms);
    await new Promise<void>(resolve => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await world.servers.proxies?.mongo.heal();
    log.push({ kind: 'outage', of: 'mongo', how: `+${ms} ms`, at, until: monotonicMs(), outlastsLease: false });
  };
}

const LOOK_MS = 5;

/** kill -9 of the ledger a moment after a handler has begun: what it holds in memory, and nobody waited for, is lost. */
export function killLedgerAtStarts(options: Rhythm & { awayMs: number; leaseMs: number }): Fault {
  return inRounds(options, async ({ world: { fleet, servers }, log }, signal) => {
    const before = startsIn(fleet);
    while (!signal.aborted && startsIn(fleet) === before) await pause(LOOK_MS, signal);
    if (signal.aborted) return false;
    const at = monotonicMs();
    await servers.mongo.kill9();
    await pause(options.awayMs, signal);
    await servers.mongo.restart();
    const until = monotonicMs();
    log.push({ kind: 'outage', of: 'mongo', how: 'kill -9', at, until, outlastsLease: until - at >= options.leaseMs });
    return true;
  });
}

/**
 * Clients cancel all that a random worker runs, and the next moment it ends: by SIGTERM and by kill -9 in turn. Another takes
 * its place.
 */
export function cancelThenEnd(rhythm: Rhythm): Fault {
  return inRounds(rhythm, async (scene, _, number) => {
    const { fleet } = scene.world;
    const targets = fleet.targets.filter(worker => openRuns(worker.audit()).size > 0);
    if (targets.length === 0) return false;
    const victim = scene.random.pick(targets);
    await fleet.spare(victim, async () => {
      const jobIds = [...openRuns(victim.audit())].map(run => run.split(' ')[1]!);
      await Promise.all(jobIds.map(jobId => ask(scene, 0, 'cancel', jobId)));
      const at = monotonicMs();
      const signal = number % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
      fleet.startWorker();
      await victim.end(signal);
      const worker = victim.name;
      const until = monotonicMs();
      scene.log.push(
        signal === 'SIGKILL' ? { kind: 'kill', worker, at } : { kind: 'term', worker, at, until, times: 1, exits: 0 },
      );
    });
    return true;
  });
}

function startsIn(fleet: Fleet): number {
  return fleet.workers.flatMap(worker => worker.audit()).filter(({ event }) => event === 'start').length;
}
