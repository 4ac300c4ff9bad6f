import { monotonicMs, pause } from '../monotonic.ts';
import { type ChaosProcess, openRuns } from './chaos-process.ts';
import { type Fault, type FaultScene, inRounds, type Rhythm } from './faults.ts';

/** Between the two signals of a SIGTERM that is sent twice. */
const AGAIN_MS = 100;

/**
 * A deploy: one process after the other gets SIGTERM, ends, and is started again, workers before APIs; an API comes back on
 * its port. The next one's turn comes when the new one is up.
 */
export function rollingRestart(rhythm: Rhythm): Fault {
  return inRounds(rhythm, async (scene, signal) => {
    const { fleet } = scene.world;
    for (const worker of fleet.workers.filter(candidate => !fleet.isSpared(candidate))) {
      if (signal.aborted) return true;
      await terminate(scene, worker, { times: 1, exits: 0 });
      await up(fleet.startWorker());
    }
    for (const { process, url } of fleet.apis.filter(api => !fleet.isSpared(api.process))) {
      if (signal.aborted) return true;
      await terminate(scene, process, { times: 1, exits: 0 });
      await fleet.startApi(Number(new URL(url).port));
    }
    return true;
  });
}

/** SIGTERM of a random worker at work, every other time sent twice; another takes its place at once. */
export function terminateWorkers(rhythm: Rhythm): Fault {
  return inRounds(rhythm, async (scene, _signal, number) => {
    const { fleet } = scene.world;
    const { targets } = fleet;
    if (targets.length === 0) return false;
    const ended = terminate(scene, scene.random.pick(targets), { times: 1 + (number % 2), exits: 0 });
    fleet.startWorker();
    await ended;
    return true;
  });
}

/** SIGTERM of a worker that holds a handler which neither ends nor listens: it must give up, and say so by its exit code. */
export function terminateStuckWorkers(options: Rhythm & { stuckForMs: number }): Fault {
  return inRounds(options, async (scene, _signal, number) => {
    const { fleet } = scene.world;
    const stuck = fleet.targets.filter(worker => isStuck(worker, options.stuckForMs / 2));
    if (stuck.length === 0) return false;
    const ended = terminate(scene, scene.random.pick(stuck), { times: 1 + (number % 2), exits: 1 });
    fleet.startWorker();
    await ended;
    return true;
  });
}

/** SIGTERM of a worker while Redis is away, which comes back, empty, when the worker has ended. */
export function terminateWithoutRedis(rhythm: Rhythm): Fault {
  return inRounds(rhythm, async (scene, _signal, number) => {
    const { servers, fleet } = scene.world;
    const targets = fleet.targets.filter(worker => openRuns(worker.audit()).size > 0);
    if (targets.length === 0) return false;
    const at = monotonicMs();
    await servers.redis.kill9();
    await terminate(scene, scene.random.pick(targets), { times: 1 + (number % 2), exits: 1 });
    await servers.redis.restart();
    scene.log.push({ kind: 'outage', of: 'redis', how: 'killed', at, until: monotonicMs(), outlastsLease: false });
    await up(fleet.startWorker());
    return true;
  });
}

/** Sends SIGTERM and waits for the end; `exits` is the exit code that is right. */
function terminate(
  { world, log }: FaultScene,
  process: ChaosProcess,
  { times, exits }: { times: number; exits: number },
): Promise<void> {
  return world.fleet.spare(process, async () => {
    // One that still starts learns of signals when it is up.
    await up(process);
    const at = monotonicMs();
    const ended = process.end('SIGTERM');
    if (times > 1) {
      await pause(AGAIN_MS);
      void process.end('SIGTERM');
    }
    await ended;
    log.push({ kind: 'term', worker: process.name, at, until: monotonicMs(), times, exits });
  });
}

async function up(process: ChaosProcess): Promise<void> {
  while (process.isAlive && !process.isUp) await pause(50);
}

/** Whether it holds a stuck handler that will still be stuck when the worker has ended. */
function isStuck(worker: ChaosProcess, atMostForMs: number): boolean {
  const lines = worker.audit();
  const open = openRuns(lines);
  return lines.some(
    line =>
      line.event === 'deed' &&
      line.act === 'stick' &&
      open.has(`${line.runKey} ${line.jobId}`) &&
      monotonicMs() - line.at < atMostForMs,
  );
}
