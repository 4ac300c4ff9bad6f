import { monotonicMs } from '../monotonic.ts';
import { type Fault, inRounds, type Rhythm } from './faults.ts';

/** kill -9 of a random API, whatever it is at; it is started again on its port. */
export function killApis(rhythm: Rhythm): Fault {
  return inRounds(rhythm, async ({ world: { fleet }, random, log }, signal) => {
    const { apis } = fleet;
    if (apis.length === 0) return false;
    const { process, url } = random.pick(apis);
    const at = monotonicMs();
    await process.end('SIGKILL');
    log.push({ kind: 'kill', worker: process.name, at });
    if (!signal.aborted) await fleet.startApi(Number(new URL(url).port));
    return true;
  });
}
