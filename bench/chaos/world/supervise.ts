import { pause } from '../monotonic.ts';
import type { FaultRecord } from '../oracle/evidence.ts';
import type { ChaosProcess } from './chaos-process.ts';
import type { Fleet } from './fleet.ts';

const LOOK_EVERY_MS = 100;

/**
 * Starts a worker in the place of each that ended by itself. Where a handler had announced that it would end its process, that
 * is recorded as the fault that it is; an end that nobody announced stays unexplained.
 */
export async function supervise(fleet: Fleet, log: FaultRecord[], signal: AbortSignal): Promise<void> {
  const replaced = new Set<ChaosProcess>();
  while (!signal.aborted) {
    for (const worker of fleet.fallen.filter(fallen => !replaced.has(fallen))) {
      replaced.add(worker);
      fleet.startWorker();
      const deed = worker.audit().findLast(line => line.event === 'deed' && line.pid === worker.pid);
      if (deed?.event === 'deed') log.push({ kind: 'kill', worker: worker.name, at: worker.fellAt!, by: deed.act });
    }
    await pause(LOOK_EVERY_MS, signal);
  }
}
