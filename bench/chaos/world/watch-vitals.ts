import { readdirSync, readFileSync } from 'node:fs';
import { monotonicMs, pause } from '../monotonic.ts';
import type { VitalSign } from '../oracle/vitals.ts';
import type { Fleet } from './fleet.ts';

const EVERY_MS = 2_000;
const KB_PER_MB = 1_024;

/** What the processes of a round hold, looked at now and then. Only Linux tells (elsewhere: nothing). */
export async function watchVitals(fleet: Fleet, signs: VitalSign[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const { name, pid } of [...fleet.workers, ...fleet.apis.map(api => api.process)]) {
      const held = readHeld(pid);
      if (held) signs.push({ process: name, at: monotonicMs(), ...held });
    }
    await pause(EVERY_MS, signal);
  }
}

function readHeld(pid: number): Pick<VitalSign, 'memoryMb' | 'files'> | null {
  try {
    const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return resident ? { memoryMb: Number(resident) / KB_PER_MB, files: readdirSync(`/proc/${pid}/fd`).length } : null;
  } catch {
    // It has ended meanwhile.
    return null;
  }
}
