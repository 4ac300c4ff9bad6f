/** One line of the table. `goal` is what it should be, for the full sizes on a quiet machine. */
export interface Figure {
  name: string;
  unit: string;
  value: number;
  goal?: string;
}

export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, value, goal = '' }) => [name, shown(value), unit, goal]);
  const widths = [0, 1, 2].map(n => Math.max(...rows.map(row => row[n]!.length)));
  return rows
    .map(([name, value, unit, goal]) =>
      [name!.padEnd(widths[0]!), value!.padStart(widths[1]! + 2), unit!.padEnd(widths[2]!), goal].join(' ').trimEnd(),
    )
    .join('\n');
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}
