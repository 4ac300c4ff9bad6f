import type { Casebook } from './evidence.ts';

/** When the handlers of completed jobs ended, in order: the run that the ledger accepted counts, wherever it was. */
export function completionTimes({ runs, jobsById }: Casebook): number[] {
  return runs
    .filter(({ jobId, runKey, end }) => {
      const job = jobsById.get(jobId);
      return end?.outcome === 'ok' && job?.status === 'completed' && job.runKey === runKey;
    })
    .map(run => run.end!.at)
    .sort((a, b) => a - b);
}

/** Completed jobs a second from `from` until `to`. */
export function perSecond(times: readonly number[], from: number, to: number): number {
  const count = times.filter(at => at >= from && at < to).length;
  return to > from ? (count * 1_000) / (to - from) : 0;
}

const WINDOW_MS = 1_000;

/** How long after `from` a whole second has passed with so many completed jobs; infinite when none has. */
export function recoveredAfter(times: readonly number[], from: number, wantedPerSecond: number): number {
  const later = times.filter(at => at >= from);
  for (const [index, at] of later.entries()) {
    const begin = Math.max(from, at - WINDOW_MS);
    const inWindow = index + 1 - later.findIndex(other => other >= begin);
    if (at - from >= WINDOW_MS && inWindow >= wantedPerSecond) return at - from;
  }
  return Number.POSITIVE_INFINITY;
}

/** The longest time that a worker took from `from` on to begin a run: one that never does has not come back. */
export function lastWorkerBegan({ runs, processes }: Casebook, from: number): number {
  const waits = processes
    .filter(({ role, startedAt, endedAt }) => role === 'worker' && startedAt <= from && (endedAt ?? from) >= from)
    .map(({ name }) => {
      const starts = runs.filter(run => run.worker === name && run.startedAt >= from).map(run => run.startedAt);
      return Math.min(...starts) - from;
    });
  return Math.max(...waits);
}
