import type { Spread } from '../oracle/figures.ts';
import { hasPassed, type ScenarioRecord } from './records.ts';
import type { RoundReport } from './round-report.ts';

const HEAD = [
  '| row | fault | what must hold | result | lost | ended twice | faults | jobs | extra runs | running again p50 / p99 | figures |',
  '|---|---|---|---|---|---|---|---|---|---|---|',
];

/** The published table: a line a scenario. Pure; a test compares it with the page. */
export function describeRows(records: readonly ScenarioRecord[]): string {
  return [...HEAD, ...records.map(describeRow)].join('\n');
}

function describeRow(record: ScenarioRecord): string {
  const { scenario, title, target, skipped, rounds, scale } = record;
  if (skipped !== null)
    return `| ${scenario} | ${title} | ${target} | not run: ${skipped} | – | – | – | – | – | – | – |`;
  const sum = (count: (round: RoundReport) => number) => String(rounds.reduce((total, one) => total + count(one), 0));
  const verdict = hasPassed(record) ? 'holds' : `**broken**: ${[...new Set(rounds.flatMap(failed))].join(', ')}`;
  const seeds = rounds.map(round => round.seed).join(', ');
  const played = `${rounds.length} round${rounds.length === 1 ? '' : 's'}, seed ${seeds}`;
  const cells = [
    scenario,
    title,
    target,
    `${verdict} (${record.date.slice(0, 10)}, ${played}${scale === 1 ? '' : `, scale ${scale}`})`,
    sum(round => broken(round, ['I1'])),
    sum(round => broken(round, ['I3', 'I5', 'I7'])),
    sum(({ figures }) => (figures ? faultsIn(figures) : 0)),
    sum(({ figures }) => figures?.jobs ?? 0),
    sum(({ figures }) => figures?.extraRuns ?? 0),
    rounds.map(({ figures }) => spread(figures?.recovery)).join('; '),
    rounds.flatMap(({ measures }) => measures.map(({ name, value }) => `${name} ${value}`)).join('; '),
  ];
  return `| ${cells.join(' | ')} |`;
}

function faultsIn(figures: NonNullable<RoundReport['figures']>): number {
  return figures.kills + figures.stops + figures.flushes + figures.terms + figures.outages;
}

function spread(recovery: Spread | undefined): string {
  return recovery && recovery.count > 0
    ? `${(recovery.p50 / 1_000).toFixed(1)} / ${(recovery.p99 / 1_000).toFixed(1)} s`
    : '–';
}

function broken(round: RoundReport, ids: readonly string[]): number {
  return round.verdicts.reduce((total, { id, count }) => total + (ids.includes(id) ? count : 0), 0);
}

function failed({ verdicts, measures, gaveUp }: RoundReport): string[] {
  const rules = verdicts.filter(({ count }) => count > 0).map(({ id }) => id);
  const missed = measures.filter(({ met }) => !met).map(({ name }) => name);
  return [...rules, ...missed, ...(gaveUp === null ? [] : [gaveUp])];
}
