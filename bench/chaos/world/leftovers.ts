import { readdirSync, readFileSync } from 'node:fs';
import { monotonicMs, pause } from '../monotonic.ts';

const GRACE_MS = 3_000;

/**
 * Processes that carry the marks of this round although all that the harness started has ended: children that outlived their
 * worker. They get a moment to end by themselves, then they are killed and named. Only Linux tells (elsewhere: none found).
 */
export async function endLeftovers(runDir: string): Promise<string[]> {
  const end = monotonicMs() + GRACE_MS;
  while (findLeftovers(runDir).length > 0 && monotonicMs() < end) await pause(100);
  return findLeftovers(runDir).map(({ pid, worker }) => {
    process.kill(pid, 'SIGKILL');
    return `process ${pid}, a child of ${worker}, outlived it`;
  });
}

function findLeftovers(runDir: string): { pid: number; worker: string }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      const environment = readEnvironment(name);
      if (!environment.some(entry => entry.startsWith('CHAOS_AUDIT_DIR=') && entry.includes(runDir))) return [];
      const worker = environment.find(entry => entry.startsWith('CHAOS_WORKER='))?.split('=')[1] ?? 'nobody';
      return [{ pid: Number(name), worker }];
    });
}

function readEnvironment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
