import {
  authorOf,
  type Casebook,
  type LedgerHistoryEntry,
  type LedgerJob,
  outcomeOf,
  type RunRecord,
  runsOf,
} from './evidence.ts';

type Kill = Extract<Casebook['faults'][number], { kind: 'kill' }>;

/**
 * I8: milliseconds from each kill until the jobs that its victim held run again. Where the next run was itself ended by a kill
 * before its handler could start, the job counts as running from its start gate on: from there the other kill's time runs.
 */
export function recoveries(casebook: Casebook): number[] {
  return casebook.faults
    .filter(fault => fault.kind === 'kill')
    .flatMap(kill => casebook.jobs.flatMap(job => recovery(casebook, kill, job) ?? []));
}

function recovery(casebook: Casebook, kill: Kill, job: LedgerJob): number | undefined {
  const gates = job.history.filter(entry => entry.via === 'T3');
  const held = gates.findLastIndex(gate => wasHeld(casebook, kill, job, gate));
  const next = held === -1 ? undefined : gates[held + 1];
  if (!next) return undefined;
  const run = startOf(casebook, job, next);
  return (run?.startedAt ?? next.at) - kill.at;
}

/** Whether the killed worker held this run when it was killed: begun, or past its gate, and without an outcome. */
function wasHeld(casebook: Casebook, kill: Kill, job: LedgerJob, gate: LedgerHistoryEntry): boolean {
  if (gate.runKey === null || outcomeOf(job, gate.runKey)) return false;
  const run = startOf(casebook, job, gate);
  if (run) return run.worker === kill.worker && run.startedAt <= kill.at && (!run.end || run.end.at >= kill.at);
  return authorOf(casebook, gate)?.name === kill.worker && gate.at <= kill.at;
}

function startOf(casebook: Casebook, job: LedgerJob, gate: LedgerHistoryEntry): RunRecord | undefined {
  return runsOf(casebook, job.id).find(run => run.runKey === gate.runKey);
}
