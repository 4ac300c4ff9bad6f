import { monotonicMs, pause } from '../monotonic.ts';
import { type Fault, inRounds, type Rhythm } from './faults.ts';

const LONGEST_MS = 5;

/** kill -9 of a random API at some point of a post that is under way to it; it is started again on its port. */
export function killApis(rhythm: Rhythm): Fault {
  return inRounds(rhythm, async ({ world: { fleet }, load, random, log }, signal) => {
    const { apis } = fleet;
    if (apis.length === 0) return false;
    const { process, url } = random.pick(apis);
    do {
      while (!load.isUnderWay(url) && !signal.aborted) await pause(1, signal);
      await pause(random.int(0, LONGEST_MS));
      // The answer may have come meanwhile.
    } while (!load.isUnderWay(url) && !signal.aborted);
    const at = monotonicMs();
    await process.end('SIGKILL');
    log.push({ kind: 'kill', worker: process.name, at });
    if (!signal.aborted) await fleet.startApi(Number(new URL(url).port));
    return true;
  });
}
