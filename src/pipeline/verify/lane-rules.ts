import type { Rule } from './rule.ts';

/** One look at a lane, in the ledger and in the engine. */
export interface LaneLook {
  lane: string;
  isPaused: boolean;
  /** The pending job that is due first, and since when it waits. */
  firstDue: { id: string; since: Date } | null;
  /** What the engine holds. */
  waiting: number;
  active: number;
}

/** A rule about one lane. Pure. */
export interface LaneRule extends Rule {
  check(look: LaneLook, facts: { now: number; lateMs: number }): string | null;
}

/** The window of a whole fleet is hundreds of jobs (DESIGN: free slots and a second of work each). */
const WINDOW_FAR_ABOVE = 10_000;

export const LANE_RULES: readonly LaneRule[] = [
  {
    id: 'lane-moves',
    severity: 'stuck',
    text: 'due jobs of a lane that is not paused are loaded into the engine',
    check: ({ isPaused, firstDue, waiting, active }, { now, lateMs }) => {
      if (isPaused || !firstDue || waiting + active > 0) return null;
      const waitsMs = now - firstDue.since.getTime();
      if (waitsMs < lateMs) return null;
      const seconds = Math.round(waitsMs / 1_000);
      return `job ${firstDue.id} has waited for ${seconds} s and the engine holds nothing: is a worker running?`;
    },
  },
  {
    id: 'engine-window',
    severity: 'stuck',
    text: `the engine holds a bounded window, far below ${WINDOW_FAR_ABOVE} waiting jobs a lane`,
    check: ({ waiting }) => (waiting > WINDOW_FAR_ABOVE ? `${waiting} jobs wait in the engine` : null),
  },
];
