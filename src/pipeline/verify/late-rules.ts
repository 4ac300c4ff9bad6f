import type { JobRecord } from '../store/ledger-reads.ts';
import { isBefore, secondsAgo } from './field-rules.ts';
import type { Facts, JobRule } from './rule.ts';

/** What sweepers heal within seconds (S1, S2, T11), and is there long after. They are looked for by their indexes, not on the walk. */
export const LATE_RULES: readonly JobRule[] = [
  {
    id: 'lease-swept',
    severity: 'stuck',
    text: 'a sweeper renews or takes back what is claimed or running when its lease is over',
    check: (job, facts) => {
      if (!isOver(job, facts)) return null;
      // Without Redis sweepers rightly leave claimed jobs alone; what it does not have is the next rule's.
      if (job.status === 'queued' && (facts.place === null || facts.place === 'gone')) return null;
      return `${job.status}, last beat ${secondsAgo(job.beatAt, facts.now)}, lease ${job.leaseMs} ms`;
    },
  },
  {
    id: 'queued-in-engine',
    severity: 'stuck',
    text: 'the engine has every claimed job, or a sweeper gives it back',
    check: (job, facts) =>
      job.status === 'queued' && facts.place === 'gone' && isOver(job, facts)
        ? `not in the engine, claimed ${secondsAgo(job.queuedAt, facts.now)}`
        : null,
  },
  {
    id: 'expiry-swept',
    severity: 'stuck',
    text: 'a job that has not started by startBy fails as expired',
    check: (job, { now, lateMs }) =>
      (job.status === 'pending' || job.status === 'queued') && isBefore(job.startBy, now - lateMs)
        ? `${job.status}, startBy ${secondsAgo(job.startBy, now)}`
        : null,
  },
];

function isOver(job: JobRecord, { now, lateMs }: Facts): boolean {
  const isHeld = job.status === 'queued' || job.status === 'processing';
  return isHeld && isBefore(job.beatAt, now - (job.leaseMs ?? 0) - lateMs);
}
