import { messageOf } from '../../platform/errors.ts';
import type { JobRecord } from '../store/ledger-reads.ts';
import type { Facts, JobRule } from './rule.ts';

/** What one look found wrong with one job. */
export interface Suspect {
  job: JobRecord;
  rules: readonly JobRule[];
}

/** The job with the rules that it breaks at this look, or null. */
export function suspectOf(rules: readonly JobRule[], job: JobRecord, facts: Facts): Suspect | null {
  const broken = rules.filter(rule => judge(rule, job, facts) !== null);
  return broken.length > 0 ? { job, rules: broken } : null;
}

/**
 * The second look: what of it counts. What is stuck must not have moved between the two looks; what is broken must be broken
 * in both.
 */
export function confirm({ job: before, rules }: Suspect, job: JobRecord, facts: Facts): [JobRule, string][] {
  const hasMoved = signOf(job) !== signOf(before);
  return rules.flatMap((rule): [JobRule, string][] => {
    if (rule.severity === 'stuck' && hasMoved) return [];
    const detail = judge(rule, job, facts);
    return detail === null ? [] : [[rule, detail]];
  });
}

/** A document that somebody else spoilt may be of any shape: what a rule cannot read is wrong too. */
function judge(rule: JobRule, job: JobRecord, facts: Facts): string | null {
  try {
    return rule.check(job, facts);
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
}

/** Changes with every transition, claim, run and beat. */
function signOf({ historySeq, token, runKey, beatAt }: JobRecord): string {
  return `${historySeq} ${String(token)} ${String(runKey)} ${String(beatAt?.valueOf())}`;
}
