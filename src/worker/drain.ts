import type { ActiveRuns } from '../pipeline/run/active-runs.ts';

/** How long the hand-backs of the drain deadline may take to be written. */
const HAND_BACK_MS = 1_500;

export interface DrainReport {
  /** Runs that were handed back because the deadline was over. */
  handedBack: number;
  /** Whether every handler has really stopped, every outcome is recorded and the engine could be told. */
  clean: boolean;
}

/**
 * Waits for running jobs until the deadline, then asks the rest to stop (T9): a handler that honours its signal costs
 * nothing, one that does not is handed back all the same and makes the drain unclean. So does one that ignored the end of
 * its run (its timeout, say) and does not stop by the deadline either.
 */
export async function drainRuns(options: {
  runs: ActiveRuns;
  /** Resolves when nothing is under way, also not at the start gate, where no run is known yet. */
  idle: () => Promise<void>;
  deadlineMs: number;
  /** Resolves when every handler whose run has ended has stopped. */
  stopped: () => Promise<void>;
}): Promise<DrainReport> {
  const { runs, idle, deadlineMs, stopped } = options;
  const since = performance.now();
  if (await settlesWithin(idle(), deadlineMs)) {
    const leftMs = Math.max(0, deadlineMs - (performance.now() - since));
    return { handedBack: 0, clean: await settlesWithin(stopped(), leftMs) };
  }
  const rest = runs.all();
  for (const run of rest) run.execution.abort('drain');
  const recorded = await settlesWithin(idle(), HAND_BACK_MS);
  return { handedBack: rest.length, clean: recorded && (await settlesWithin(stopped(), 0)) };
}

export async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
