import type { LeaseConfig } from '../../config/config.ts';
import type { EnginePlace } from '../queue/queue-manager.ts';
import type { JobRecord } from '../store/ledger-reads.ts';

/**
 * `broken`: a document contradicts itself or the transition table; no crash explains that, because every write is one atomic
 * update. `stuck`: what loaders, sweepers or MongoDB should have moved long ago is still there.
 */
export type Severity = 'broken' | 'stuck';

export interface Rule {
  id: string;
  severity: Severity;
  /** What holds when nothing is wrong. */
  text: string;
}

/** What a rule may know beside the job. Times in milliseconds. */
export interface Facts {
  /** MongoDB's clock. */
  now: number;
  /** Lanes that job types or QUEUES name. */
  lanes: ReadonlySet<string>;
  /** So long after its time something is stuck. */
  lateMs: number;
  /** What the engine says of the job's current claim; null when it was not asked. */
  place: EnginePlace | null;
}

/** A rule about one document. Pure. */
export interface JobRule extends Rule {
  /** What is wrong with this job, or null. Never shows a payload. */
  check(job: JobRecord, facts: Facts): string | null;
}

/** Healing takes one lease, one grace and a few sweeps; five times that, and a minute at least, is no healing. */
export function lateAfterMs({ leaseMs, queuedLeaseMs, graceMs, sweepMs }: LeaseConfig): number {
  return Math.max(60_000, 5 * (Math.max(leaseMs, queuedLeaseMs) + graceMs + sweepMs));
}
