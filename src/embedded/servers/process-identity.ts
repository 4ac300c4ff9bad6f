import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Names one process for good: a pid alone is reused by the operating system, a pid with its start time is not.
 * `startedAt` is opaque text; only equality means something.
 */
export interface ProcessIdentity {
  pid: number;
  startedAt: string;
}

/** Null when no such process runs (any more), or when the system cannot tell when it started. */
export function identify(pid: number): ProcessIdentity | null {
  const startedAt = process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid);
  return startedAt ? { pid, startedAt } : null;
}

/** Whether exactly this process still runs; a zombie that only waits to be reaped does not. */
export function isRunning(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startedAt === process.startedAt;
}

/** Sends a signal to this very process and never to a stranger that got its pid. Answers whether it was sent. */
export function signal({ pid, startedAt }: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isRunning({ pid, startedAt })) return false;
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Asks politely, wakes it in case it was stopped, and after `graceMs` ends it; resolves when it is gone. */
export async function endProcess(target: ProcessIdentity, graceMs: number): Promise<void> {
  if (graceMs > 0) {
    signal(target, 'SIGTERM');
    signal(target, 'SIGCONT');
  }
  const end = performance.now() + graceMs;
  while (isRunning(target)) {
    if (performance.now() >= end) signal(target, 'SIGKILL');
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** Field 22 of /proc/<pid>/stat: start in clock ticks since boot. The name in field 2 may hold blanks and brackets. */
function startTimeFromProc(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : `ticks-${fields[19]}-boot-${bootId()}`;
  } catch {
    return null;
  }
}

/** Ticks since boot mean nothing after a reboot, and record files outlive one. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return 'unknown';
  }
}

function startTimeFromPs(pid: number): string | null {
  try {
    const [state = '', ...start] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .trim()
      .split(/\s+/);
    return state.startsWith('Z') || start.length === 0 ? null : start.join(' ');
  } catch {
    return null;
  }
}
