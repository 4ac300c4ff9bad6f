import type { Figures } from '../oracle/figures.ts';
import type { Fault } from '../world/faults.ts';

/** Trouble of one kind under load. Everything that a round needs to know; a number of jobs makes it larger or smaller. */
export interface Scenario {
  name: string;
  title: string;
  /** Jobs at scale 1. */
  jobs: number;
  clients: number;
  workers: number;
  /** Slots of a worker. */
  concurrency: number;
  backlog: { seconds: number; least: number; most: number };
  faults: readonly Fault[];
  /** What must have happened at least at scale 1, or the round shows nothing. */
  demands: Partial<Record<keyof Omit<Figures, 'recovery'>, number>>;
  /** Longest round at scale 1; after it, or when nothing ends any more, the round is given up. */
  limitMs: number;
}

/** Demands that were not met; fewer jobs may ask for less trouble. */
export function unmetDemands(scenario: Scenario, jobs: number, figures: Figures): string[] {
  const scale = Math.min(1, jobs / scenario.jobs);
  return Object.entries(scenario.demands).flatMap(([name, least]) => {
    const wanted = Math.floor(least * scale);
    const found = figures[name as keyof Scenario['demands']];
    return found >= wanted ? [] : [`${name} ${found}, at least ${wanted} wanted`];
  });
}
