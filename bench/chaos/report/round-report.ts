import { cpus } from 'node:os';
import type { Figures } from '../oracle/figures.ts';
import type { Verdict } from '../oracle/judge.ts';

/** The record of one round, as it is written to JSON. */
export interface RoundReport {
  scenario: string;
  title: string;
  short: boolean;
  mutant: string | null;
  seed: number;
  date: string;
  machine: { node: string; platform: string; cpus: number };
  servers: string;
  durationMs: number;
  gaveUp: string | null;
  figures: Figures;
  /** Demands of the scenario that were not met. */
  unmet: string[];
  verdicts: (Omit<Verdict, 'violations'> & { count: number; examples: Verdict['violations'] })[];
  passed: boolean;
}

const EXAMPLES = 10;

export function reportRound(
  round: Omit<RoundReport, 'date' | 'machine' | 'verdicts' | 'passed'> & { verdicts: readonly Verdict[] },
): RoundReport {
  const broken = round.verdicts.some(verdict => verdict.violations.length > 0);
  return {
    ...round,
    date: new Date().toISOString(),
    machine: { node: process.version, platform: `${process.platform} ${process.arch}`, cpus: cpus().length },
    verdicts: round.verdicts.map(({ id, title, violations }) => ({
      id,
      title,
      count: violations.length,
      examples: violations.slice(0, EXAMPLES),
    })),
    passed: !broken && round.unmet.length === 0 && round.gaveUp === null,
  };
}
