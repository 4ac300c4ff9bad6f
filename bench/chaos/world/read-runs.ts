import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AuditLine, parseAudit } from '../job/audit-log.ts';
import type { RunRecord } from '../oracle/evidence.ts';
import { auditDir } from './chaos-process.ts';

/** All runs of the audit files of a round. */
export function readRuns(runDir: string): RunRecord[] {
  const folder = auditDir(runDir);
  return readdirSync(folder).flatMap(file => joinRuns(parseAudit(readFileSync(join(folder, file), 'utf8'))));
}

/** Starts with their ends, of one file: a run begins and ends in the same process. */
export function joinRuns(lines: readonly AuditLine[]): RunRecord[] {
  const runs: RunRecord[] = [];
  const open = new Map<string, RunRecord>();
  for (const line of lines) {
    const { jobId, runKey } = line;
    const name = `${runKey} ${jobId}`;
    if (line.event === 'start') {
      const { key, attempt, worker } = line;
      const run: RunRecord = { jobId, runKey, key, attempt, worker, startedAt: line.at, end: null };
      runs.push(run);
      open.set(name, run);
      continue;
    }
    if (line.event !== 'end') continue;
    const run = open.get(name);
    if (run) run.end = { outcome: line.outcome, at: line.at };
    open.delete(name);
  }
  return runs;
}
