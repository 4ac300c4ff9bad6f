import { monotonicMs, pause } from '../monotonic.ts';
import type { FaultRecord } from '../oracle/evidence.ts';
import type { Random } from '../random.ts';
import { openRuns } from './chaos-process.ts';
import type { Fleet } from './fleet.ts';

/** What faults act on, and where they leave their records. */
interface FaultScene {
  fleet: Fleet;
  random: Random;
  log: FaultRecord[];
  flushAll: () => Promise<void>;
}

/** Causes trouble until the signal aborts, and resolves when nothing of it is left. */
export type Fault = (scene: FaultScene, signal: AbortSignal) => Promise<void>;

const LATE_RESULTS_MS = 4_000;
const RECORDED_MS = 500;

/** kill -9 of a random worker; another takes its place at once. */
export function killWorkers(everyMs: number): Fault {
  return (scene, signal) =>
    inRounds(everyMs, signal, async () => {
      const { fleet, random, log } = scene;
      const { targets } = fleet;
      if (targets.length === 0) return false;
      const victim = random.pick(targets);
      const at = monotonicMs();
      await victim.end('SIGKILL');
      log.push({ kind: 'kill', worker: victim.name, at });
      fleet.startWorker();
      return true;
    });
}

export function flushRedis(everyMs: number): Fault {
  return (scene, signal) =>
    inRounds(everyMs, signal, async () => {
      await scene.flushAll();
      scene.log.push({ kind: 'flush', at: monotonicMs() });
      return true;
    });
}

/** SIGSTOP of a random worker for `forMs`. Nobody kills it until it goes on and has offered its late results. */
export function stopWorkers(options: { everyMs: number; forMs: number; firstMs: number }): Fault {
  return async (scene, signal) => {
    const { fleet, random, log } = scene;
    await pause(Math.max(0, options.firstMs - options.everyMs), signal);
    await inRounds(options.everyMs, signal, async () => {
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
  };
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

/** One round every `everyMs`, from start to start; a round that answers false found nobody and is tried again soon. */
async function inRounds(everyMs: number, signal: AbortSignal, round: () => Promise<boolean>): Promise<void> {
  let next = monotonicMs() + everyMs;
  for (;;) {
    await pause(Math.max(0, next - monotonicMs()), signal);
    if (signal.aborted) return;
    next = (await round()) ? Math.max(next + everyMs, monotonicMs()) : monotonicMs() + 50;
  }
}
