import { median, percentile } from '../statistics.ts';
import type { Throughput } from './contender.ts';
import type { Results } from './run-rounds.ts';

/** One line of the table: medians of both and, where it means something, LedgerMQ ÷ BullMQ. */
export interface Figure {
  name: string;
  unit: string;
  ledger: number | null;
  bullmq: number | null;
  ratio: number | null;
}

type Both = Record<'LedgerMQ' | 'BullMQ', Results>;

export function figuresOf(results: Both): Figure[] {
  return [...throughputFigures(results), ...idleFigures(results)];
}

const COSTS: readonly (readonly [name: string, unit: string, read: (value: Throughput) => number | null])[] = [
  ['  Node CPU: API | producer', 'µs/job', value => value.intakeCpuUs],
  ['  Node CPU: worker', 'µs/job', value => value.workerCpuUs],
  ['  Node CPU: both', 'µs/job', value => value.intakeCpuUs + value.workerCpuUs],
  ['  Redis CPU', 'µs/job', value => value.redisCpuUs],
  ['  Redis commands', '/job', value => value.redisCommands],
  ['  MongoDB commands', '/job', value => value.mongoCommands],
];

function throughputFigures({ LedgerMQ, BullMQ }: Both): Figure[] {
  if (LedgerMQ.submitToCompleted.length === 0) return [];
  const parts = [
    ['one by one: submit → completed', 'submitToCompleted'],
    ['bulk, then drain', 'drain'],
  ] as const;
  return parts.flatMap(([title, part]) => {
    const rows = [[title, 'jobs/s', (value: Throughput) => value.jobsPerSecond] as const, ...COSTS];
    return rows.map(([name, unit, read]) =>
      figure(name, unit, {
        ledger: medianOf(LedgerMQ[part].map(read)),
        bullmq: medianOf(BullMQ[part].map(read)),
      }),
    );
  });
}

function idleFigures({ LedgerMQ, BullMQ }: Both): Figure[] {
  if (LedgerMQ.idleMs.length === 0) return [];
  return [50, 95].map(percent =>
    figure(`idle: submit → start, p${percent}`, 'ms', {
      ledger: percentile(LedgerMQ.idleMs, percent),
      bullmq: percentile(BullMQ.idleMs, percent),
    }),
  );
}

function figure(name: string, unit: string, values: Pick<Figure, 'ledger' | 'bullmq'>): Figure {
  const { ledger, bullmq } = values;
  return { name, unit, ledger, bullmq, ratio: ledger !== null && bullmq ? ledger / bullmq : null };
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter(value => value !== null);
  return known.length === 0 ? null : median(known);
}

export function tableOf(figures: readonly Figure[]): string {
  const rows = [
    ['', '', 'LedgerMQ', 'BullMQ alone', 'ratio'],
    ...figures.map(({ name, unit, ledger, bullmq, ratio }) => [name, unit, shown(ledger), shown(bullmq), shown(ratio)]),
  ];
  const widths = rows[0]!.map((_, n) => Math.max(...rows.map(row => row[n]!.length)));
  const pad = (cell: string, n: number) => (n < 2 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]! + 2));
  return rows.map(row => row.map(pad).join(' ').trimEnd()).join('\n');
}

function shown(value: number | null): string {
  if (value === null) return '–';
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}
