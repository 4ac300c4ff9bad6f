import type { StoreContext } from '../store/store-context.ts';
import type { Findings } from './findings.ts';
import type { EngineView } from './look-at-lanes.ts';
import { type Facts, lateAfterMs } from './rule.ts';

/** What every part of a check works with. */
export interface CheckSetting {
  context: StoreContext;
  engine: EngineView;
  /** Lanes that job types or QUEUES name. */
  lanes: readonly string[];
  findings: Findings;
}

/** After a step: wait at least so long before the next one. */
export interface Step {
  waitMs: number;
}

export function factsOf({ context, lanes }: CheckSetting, place: Facts['place'] = null): Facts {
  return { now: context.clock.now().getTime(), lanes: new Set(lanes), lateMs: lateAfterMs(context.lease), place };
}

/** Between the two looks at what seems wrong: a sweeper gets two chances to move it. */
export function confirmMs({ context }: CheckSetting): number {
  return 2 * context.lease.sweepMs + 500;
}
