import { monotonicMs } from '../monotonic.ts';
import { failuresOf, type RoundReport } from '../report/round-report.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import type { Mutant } from './mutants.ts';

/** What became of one mutant. */
export interface MutantRecord {
  mutant: string;
  what: string;
  scenario: string;
  scale: number;
  date: string;
  servers: string;
  /** Seed of the last round. */
  seed: number;
  rounds: number;
  /** From the first round's start until the last one was judged; the build is not in it. */
  seconds: number;
  /** Rules that it had to break and did, in the last round; none: it survived. */
  caughtBy: readonly string[];
}

/** A mutant that takes longer to catch counts as one that survived. */
export const CATCH_WITHIN_SECONDS = 300;

export function wasCaught({ caughtBy, seconds }: MutantRecord): boolean {
  return caughtBy.length > 0 && seconds <= CATCH_WITHIN_SECONDS;
}

/** Plays rounds of its scenario, seeds S, S+1, …, until one breaks a rule that the mutant has to break. */
export async function hunt(
  mutant: Mutant,
  scenario: Scenario,
  options: { seed: number; rounds: number; play: (scenario: Scenario, seed: number) => Promise<RoundReport> },
): Promise<MutantRecord> {
  const startedAt = monotonicMs();
  for (let round = 0; ; round += 1) {
    const seed = options.seed + round;
    const report = await options.play(scenario, seed);
    // A round that is only too calm, or that met another rule than the mutant breaks, has not caught it.
    const caughtBy = failuresOf(report).filter(name => mutant.caughtBy.includes(name));
    if (caughtBy.length === 0 && round + 1 < options.rounds) continue;
    return {
      mutant: mutant.name,
      what: mutant.what,
      scenario: scenario.name,
      scale: report.scale,
      date: new Date().toISOString(),
      servers: report.servers,
      seed,
      rounds: round + 1,
      seconds: Math.round((monotonicMs() - startedAt) / 1_000),
      caughtBy,
    };
  }
}
