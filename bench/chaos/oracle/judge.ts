import { everyAcceptedJobEnds, nothingElseRan } from './accepted.ts';
import { type Evidence, type Invariant, openCasebook, type Violation } from './evidence.ts';
import { onlyKnownTransitions } from './history.ts';
import { operationsHold } from './operations.ts';
import { processesEndWell } from './processes.ts';
import { completedMeansDone, failuresAreCounted } from './recorded.ts';
import { extraRunsAreFew, runsDoNotOverlap } from './runs.ts';

/** Every rule that a round must keep, in the order of their numbers. I8 is a figure (figures.ts), I10 needs webhooks. */
export const INVARIANTS: readonly Invariant[] = [
  everyAcceptedJobEnds,
  nothingElseRan,
  completedMeansDone,
  failuresAreCounted,
  onlyKnownTransitions,
  extraRunsAreFew,
  runsDoNotOverlap,
  processesEndWell,
  operationsHold,
];

export interface Verdict {
  id: string;
  title: string;
  violations: Violation[];
}

/** Judges the evidence of one round by every rule. Pure. */
export function judge(evidence: Evidence): Verdict[] {
  const casebook = openCasebook(evidence);
  return INVARIANTS.map(rule => ({ id: rule.id, title: rule.title, violations: rule.check(casebook) }));
}

/** The rules that were broken, by their ids. */
export function brokenBy(verdicts: readonly Verdict[]): string[] {
  return verdicts.filter(verdict => verdict.violations.length > 0).map(verdict => verdict.id);
}
