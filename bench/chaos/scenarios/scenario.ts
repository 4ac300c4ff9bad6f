import type { Evidence } from '../oracle/evidence.ts';
import type { Profile } from '../world/profiles.ts';
import type { WorldOptions } from '../world/world.ts';

/** Trouble of one kind, and what must hold in it. Several may make up one row of the published table. */
export interface Scenario {
  /** Unique; `--only` takes it, or the row. */
  readonly name: string;
  /** Of the table: F1, F2, …, or a name of its own. */
  readonly row: string;
  /** The fault in words. */
  readonly title: string;
  /** What must hold beside the invariants, in words. */
  readonly target: string;
  /** What this machine lacks for it; null when it can run. */
  missing?(): Promise<string | null> | string | null;
  play(stage: Stage): Promise<Played>;
}

/** What a round is played with. */
export interface Stage {
  /** Share of the full size: of jobs, or of how often the fault happens. */
  readonly scale: number;
  /** Jobs instead of what the scale says; null leaves it to the scale. */
  readonly jobs: number | null;
  readonly seed: number;
  /** Instead of the scenario's own. */
  readonly profile?: Profile;
  readonly world: WorldOptions;
  readonly say: (line: string) => void;
  /** Ends the round early: nothing is left behind, nothing is judged. */
  readonly signal: AbortSignal;
}

/** What a round came to. */
export interface Played {
  /** Which servers served. */
  readonly servers: string;
  readonly durationMs: number;
  /** Why the round was given up before every job had ended; null when it was not. */
  readonly gaveUp: string | null;
  /** For the oracle; null when the scenario measures something that leaves no jobs to judge. */
  readonly evidence: Evidence | null;
  readonly measures: readonly Measure[];
}

/** A figure of a round beside its target. */
export interface Measure {
  readonly name: string;
  /** With its unit. */
  readonly value: string;
  /** What it must be, in words; empty when it is only told. */
  readonly target: string;
  readonly met: boolean;
}

/** So many at scale 1, less at a smaller one, but never fewer than `least`. */
export function scaled(count: number, scale: number, least = 1): number {
  return Math.max(least, Math.round(count * scale));
}
