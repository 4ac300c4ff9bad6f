import { monotonicMs, pause } from '../monotonic.ts';
import type { FaultRecord, OperationRecord } from '../oracle/evidence.ts';
import type { Random } from '../random.ts';
import { openRuns } from './chaos-process.ts';
import type { Load } from './load.ts';
import type { World } from './world.ts';

/** What faults act on, and where they leave their records. */
export interface FaultScene {
  world: World;
  load: Load;
  random: Random;
  log: FaultRecord[];
  /** What clients asked of jobs. */
  operations: OperationRecord[];
  /** Of the round: how often a fault happens is multiplied by it. */
  scale: number;
  say: (line: string) => void;
}

/** Causes trouble until it has done so often enough or the signal aborts, and resolves when nothing of it is left. */
export type Fault = (scene: FaultScene, signal: AbortSignal) => Promise<void>;

/** How often a fault happens: so many times at scale 1, or as long as the round goes on. */
export const endless = Number.POSITIVE_INFINITY;

export interface Rhythm {
  /** From start to start. */
  everyMs: number;
  times: number;
  /** So many times also where the scale is small. */
  least?: number;
  /** Share of `everyMs` by which a start may be earlier or later; 0 keeps the beat. */
  jitter?: number;
}

const LATE_RESULTS_MS = 4_000;
const RECORDED_MS = 500;

/**
 * kill -9 of a random worker; another takes its place at once. No fewer than `atWork` workers must be at work before: on a
 * machine that starts them slowly the fleet would else be gone soon, and what is measured is the start of a process.
 */
export function killWorkers(rhythm: Rhythm & { atWork?: number }): Fault {
  return inRounds(rhythm, async ({ world: { fleet }, random, log }) => {
    const { targets } = fleet;
    if (targets.length < (rhythm.atWork ?? 1)) return false;
    const victim = random.pick(targets);
    const at = monotonicMs();
    await victim.end('SIGKILL');
    log.push({ kind: 'kill', worker: victim.name, at });
    fleet.startWorker();
    return true;
  });
}

export function flushRedis(rhythm: Rhythm): Fault {
  return inRounds(rhythm, async ({ world, log }) => {
    await world.servers.redis.flushAll();
    log.push({ kind: 'flush', at: monotonicMs() });
    return true;
  });
}

/** SIGSTOP of a random worker for `forMs`. Nobody kills it until it goes on and has offered its late results. */
export function stopWorkers(options: Rhythm & { forMs: number; firstMs?: number }): Fault {
  return inRounds(options, async ({ world: { fleet }, random, log }, signal) => {
    const targets = fleet.targets.filter(worker => openRuns(worker.audit()).size > 0);
    if (targets.length === 0) return false;
    const worker = random.pick(targets);
    await fleet.spare(worker, async () => {
      const at = monotonicMs();
      worker.signal('SIGSTOP');
      await pause(options.forMs, signal);
      const late = openRuns(worker.audit());
      const until = monotonicMs();
      worker.signal('SIGCONT');
      log.push({ kind: 'stop', worker: worker.name, at, until });
      await offered(() => openRuns(worker.audit()), late);
    });
    return true;
  });
}

/** Waits until the runs that were open at the end of a stop have ended, and what they came to has been offered. */
async function offered(now: () => ReadonlySet<string>, late: ReadonlySet<string>): Promise<void> {
  const end = monotonicMs() + LATE_RESULTS_MS;
  while (monotonicMs() < end) {
    const open = now();
    if (![...late].some(run => open.has(run))) break;
    await pause(50);
  }
  await pause(RECORDED_MS);
}

/** Begins when every worker has been at work for so long: what was done before and after can then be compared. */
export function afterQuiet(quietMs: number, fault: Fault): Fault {
  return async (scene, signal) => {
    const { fleet } = scene.world;
    while (!signal.aborted && fleet.targets.length < fleet.workers.length) await pause(100, signal);
    await pause(quietMs, signal);
    await fault(scene, signal);
  };
}

/**
 * One round every `everyMs`, from start to start, as often as `times` and the scale say; a round that answers false found
 * nobody to hit and is tried again soon.
 */
export function inRounds(
  { everyMs, times, least = 1, jitter = 0, firstMs = everyMs }: Rhythm & { firstMs?: number },
  round: (scene: FaultScene, signal: AbortSignal, number: number) => Promise<boolean>,
): Fault {
  return async (scene, signal) => {
    const wanted = times === endless ? endless : Math.max(least, Math.round(times * scene.scale));
    const wait = () => everyMs * (1 + jitter * (2 * scene.random.next() - 1));
    let next = monotonicMs() + firstMs;
    for (let done = 0; done < wanted; ) {
      await pause(Math.max(0, next - monotonicMs()), signal);
      if (signal.aborted) return;
      const wasHit = await round(scene, signal, done);
      if (wasHit) done += 1;
      next = wasHit ? Math.max(next + wait(), monotonicMs()) : monotonicMs() + 50;
    }
  };
}
