import type { Figures } from '../oracle/figures.ts';
import type { RoundReport } from './round-report.ts';

/** The report as text, for people. */
export function printReport(report: RoundReport): string {
  const { figures, durationMs } = report;
  const lines = [
    '',
    `${report.scenario}${report.mutant ? ` with mutant ${report.mutant}` : ''}, seed ${report.seed}: ${report.title}`,
    report.servers,
    ...(figures ? figureRows(figures, durationMs).map(([name, value]) => `  ${name.padEnd(38)} ${value}`) : []),
    ...report.verdicts.flatMap(verdictLines),
    ...report.measures.map(
      ({ name, value, target, met }) =>
        `  ${met ? 'ok  ' : 'FAIL'} ${name}: ${value}${target === '' ? '' : ` (wanted ${target})`}`,
    ),
    ...(report.gaveUp ? [`  given up: ${report.gaveUp}`] : []),
    report.passed ? '  PASSED' : '  FAILED',
  ];
  return lines.join('\n');
}

function figureRows(figures: Figures, durationMs: number): [string, string][] {
  const { recovery, postMs } = figures;
  return [
    [
      'duration',
      `${(durationMs / 1_000).toFixed(1)} s, ${Math.round((figures.jobs * 1_000) / durationMs)} jobs a second`,
    ],
    ['jobs', `${figures.jobs}: ${figures.completed} completed, ${figures.failed} failed`],
    [
      'posts of a job',
      `${figures.posts}, ${figures.postsWithoutAnswer} not answered; p50 ${postMs.p50} ms, p99 ${postMs.p99} ms`,
    ],
    [
      'kills, stops, flushes, terms, outages',
      `${figures.kills}, ${figures.stops}, ${figures.flushes}, ${figures.terms}, ${figures.outages}`,
    ],
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
