import { cpus, totalmem } from 'node:os';
import { openCasebook } from '../oracle/evidence.ts';
import { type Figures, figuresOf } from '../oracle/figures.ts';
import { judge, type Verdict } from '../oracle/judge.ts';
import type { Measure, Played, Scenario } from '../scenarios/scenario.ts';

/** The record of one round, as it is written to JSON. */
export interface RoundReport {
  scenario: string;
  row: string;
  title: string;
  target: string;
  short: boolean;
  mutant: string | null;
  scale: number;
  seed: number;
  date: string;
  machine: { node: string; platform: string; cpus: number; memoryGb: number };
  servers: string;
  durationMs: number;
  gaveUp: string | null;
  /** Null when the scenario leaves no jobs to judge. */
  figures: Figures | null;
  measures: readonly Measure[];
  verdicts: (Omit<Verdict, 'violations'> & { count: number; examples: Verdict['violations'] })[];
  passed: boolean;
}

const EXAMPLES = 10;

export function reportRound(
  scenario: Scenario,
  round: { short: boolean; mutant: string | null; scale: number; seed: number },
  { evidence, ...played }: Played,
): RoundReport {
  const verdicts = evidence ? judge(evidence) : [];
  const isBroken = verdicts.some(verdict => verdict.violations.length > 0);
  const { name, row, title, target } = scenario;
  return {
    scenario: name,
    row,
    title,
    target,
    ...round,
    date: new Date().toISOString(),
    machine: {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpus: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
    },
    ...played,
    figures: evidence && figuresOf(openCasebook(evidence)),
    verdicts: verdicts.map(({ id, title: rule, violations }) => ({
      id,
      title: rule,
      count: violations.length,
      examples: violations.slice(0, EXAMPLES),
    })),
    passed: !isBroken && played.gaveUp === null && played.measures.every(measure => measure.met),
  };
}

/** Ids of invariants that were broken, and names of measures that missed their target. */
export function failuresOf({ verdicts, measures }: RoundReport): string[] {
  const broken = verdicts.filter(verdict => verdict.count > 0).map(verdict => verdict.id);
  return [...broken, ...measures.filter(measure => !measure.met).map(measure => measure.name)];
}
