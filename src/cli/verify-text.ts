import type { VerifyReport } from '../pipeline/verify/run-verification.ts';

/** The report as people read it: a table of all rules, then what was found, then the engine, then one line of verdict. */
export function describeReport(report: VerifyReport): string {
  const rows = report.rules.map(({ id, severity, count, text }) => [id, severity, String(count), text]);
  const found = report.rules.filter(rule => rule.count > 0);
  return [
    ...table([['rule', 'kind', 'found', 'what must hold'], ...rows]),
    '',
    ...found.flatMap(({ id, count, examples }) => [
      `${id}: ${count} found${count > examples.length ? `, for example` : ''}`,
      ...examples.map(({ jobId, lane, detail }) => `  ${jobId ?? `lane ${lane}`}  ${detail}`),
      '',
    ]),
    ...describeEngine(report.engine),
    verdict(report),
    '',
  ].join('\n');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = [0, 1, 2].map(column => Math.max(...rows.map(row => row[column]!.length)));
  return rows.map(([id = '', kind = '', found = '', text = '']) =>
    `${id.padEnd(widths[0]!)}  ${kind.padEnd(widths[1]!)}  ${found.padStart(widths[2]!)}  ${text}`.trimEnd(),
  );
}

function describeEngine(engine: VerifyReport['engine']): string[] {
  if (!engine.checked) return [`THE ENGINE WAS NOT CHECKED: ${engine.reason}`];
  return engine.lanes.map(
    ({ lane, waiting, active, isPaused, leftovers }) =>
      `lane ${lane}${isPaused ? ' (paused)' : ''}: the engine holds ${waiting} waiting, ${active} active; ${leftovers} of them are leftovers`,
  );
}

function verdict({ jobs, whole, durationMs, drift, engine }: VerifyReport): string {
  const scope = `${jobs} job${jobs === 1 ? '' : 's'}${whole ? ', the whole ledger' : ''}, in ${(durationMs / 1_000).toFixed(1)} s`;
  if (drift > 0) return `DRIFT: ${drift} found (${scope})`;
  return engine.checked ? `Clean (${scope})` : `The ledger is clean (${scope}); of the engine nothing is known`;
}
