import type { Deed } from '../job/chaos-payload.ts';
import type { JobPlan } from '../job/job-plan.ts';
import { EXIT_CODE_OF_DEED } from '../job/misbehave.ts';
import type { Evidence, FaultRecord, ProcessRecord, RunRecord } from './evidence.ts';

/* What handlers did on purpose to the processes that they ran in. */

type Stop = Extract<FaultRecord, { kind: 'stop' }>;

/** The first runs that held the event loop of their worker: it stood still as one that was stopped. */
export function blocksAmong(runs: readonly RunRecord[], plans: ReadonlyMap<string, JobPlan>): Stop[] {
  const seen = new Set<string>();
  const blocks: Stop[] = [];
  for (const run of [...runs].sort((a, b) => a.startedAt - b.startedAt)) {
    const isFirst = !seen.has(run.jobId);
    seen.add(run.jobId);
    const blocked = isFirst && plans.get(run.key)?.payload.firstRun === 'block';
    if (blocked && run.end) blocks.push({ kind: 'stop', worker: run.worker, at: run.startedAt, until: run.end.at });
  }
  return blocks;
}

/** The deed that ended this process; undefined when none did. */
export function endedByDeed({ name }: ProcessRecord, faults: Evidence['faults']): Deed | undefined {
  const kill = faults.find(fault => fault.kind === 'kill' && fault.worker === name && fault.by !== undefined);
  return kill?.kind === 'kill' ? kill.by : undefined;
}

/** How a process ends after such a deed. */
export function isEndOf(deed: Deed, { code, signal }: NonNullable<ProcessRecord['exit']>): boolean {
  if (deed === 'exit') return code === EXIT_CODE_OF_DEED;
  if (deed === 'out-of-memory') return signal === 'SIGABRT';
  return deed === 'reject-unhandled' && code === 1;
}

/** What a process may have said although all was well: the one line about a rejection, V8's last words on a full heap. */
export function withoutExpectedAlarms(process: ProcessRecord, evidence: Evidence): string[] {
  const deed = endedByDeed(process, evidence.faults);
  const ranOutOfMemory = evidence.runs.some(
    run =>
      run.worker === process.name && evidence.plans.get(run.key)?.payload.acts.some(act => act === 'out-of-memory'),
  );
  let rejections = deed === 'reject-unhandled' ? 1 : 0;
  return process.alarms.filter(alarm => {
    if (isRejection(alarm)) return rejections-- <= 0;
    return alarm.includes('"level":"fatal"') || !ranOutOfMemory;
  });
}

export function isRejection(alarm: string): boolean {
  return alarm.includes('"event":"unhandledRejection"');
}
