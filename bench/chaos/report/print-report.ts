import type { RoundReport } from './round-report.ts';

/** The report as text, for people. */
export function printReport(report: RoundReport): string {
  const lines = [
    '',
    `${report.scenario}${report.mutant ? ` with mutant ${report.mutant}` : ''}, seed ${report.seed}: ${report.title}`,
    report.servers,
    ...figureRows(report).map(([name, value]) => `  ${name.padEnd(38)} ${value}`),
    ...report.verdicts.flatMap(verdictLines),
    ...(report.gaveUp ? [`  given up: ${report.gaveUp}`] : []),
    ...report.unmet.map(demand => `  too calm to show anything: ${demand}`),
    report.passed ? '  PASSED' : '  FAILED',
  ];
  return lines.join('\n');
}

function figureRows({ figures, durationMs }: RoundReport): [string, string][] {
  const { recovery } = figures;
  return [
    [
      'duration',
      `${(durationMs / 1_000).toFixed(1)} s, ${Math.round((figures.jobs * 1_000) / durationMs)} jobs a second`,
    ],
    ['jobs', `${figures.jobs}: ${figures.completed} completed, ${figures.failed} failed`],
    ['posts of a job', `${figures.posts}, ${figures.postsWithoutAnswer} of them not answered`],
    ['kills, stops, flushes', `${figures.kills}, ${figures.stops}, ${figures.flushes}`],
    ['late results refused, still accepted', `${figures.lateRefused}, ${figures.lateAccepted}`],
    ['runs, extra runs (bound)', `${figures.runs}, ${figures.extraRuns} (${figures.extraRunsBound})`],
    ['duplicates of always-ok jobs, rescues', `${figures.duplicates}, ${figures.rescues}`],
    [
      'running again after a kill',
      `${recovery.count} jobs, p50 ${recovery.p50} ms, p99 ${recovery.p99} ms, max ${recovery.max} ms`,
    ],
  ];
}

function verdictLines({ id, title, count, examples }: RoundReport['verdicts'][number]): string[] {
  const examplesShown = examples.map(({ jobId, text }) => `        ${jobId ? `${jobId} ` : ''}${text}`);
  const rest = count > examples.length ? [`        … and ${count - examples.length} more`] : [];
  return [
    `  ${count === 0 ? 'ok  ' : 'FAIL'} ${id}  ${title}${count === 0 ? '' : `: ${count}`}`,
    ...examplesShown,
    ...rest,
  ];
}
