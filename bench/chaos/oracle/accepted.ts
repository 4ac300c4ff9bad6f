import { isTerminal } from '../../../src/pipeline/store/job-document.ts';
import { type Casebook, hasWholeHistory, type Invariant, type PostRecord, type Violation } from './evidence.ts';
import { mayBeDeleted } from './operations.ts';
import { isAccepted } from './posting.ts';

export const everyAcceptedJobEnds: Invariant = {
  id: 'I1',
  title: 'every 202 is terminal after quiet, unless it was deleted',
  check(casebook) {
    const violations: Violation[] = [];
    for (const post of casebook.posts) violations.push(...lostPost(casebook, post));
    const accepted = new Set(casebook.posts.filter(isAccepted).map(post => post.key));
    for (const key of new Set(casebook.posts.map(post => post.key))) {
      if (!accepted.has(key)) violations.push({ text: `${key} was never accepted` });
    }
    for (const job of casebook.jobs) {
      if (isTerminal(job.status)) continue;
      const last = job.history.at(-1);
      violations.push({ jobId: job.id, text: `is still ${job.status}; last change ${last?.via} by ${last?.by}` });
    }
    return violations;
  },
};

function lostPost(casebook: Casebook, post: PostRecord): Violation[] {
  const { jobsById } = casebook;
  if (!isAccepted(post)) {
    const isOutage = post.status === null || post.status === 503 || post.status === 429;
    return isOutage ? [] : [{ text: `the post of ${post.key} was answered ${post.status} ${post.detail ?? ''}` }];
  }
  const job = post.id === null ? undefined : jobsById.get(post.id);
  if (!job && post.id !== null && mayBeDeleted(casebook, post.id)) return [];
  if (!job) return [{ jobId: post.id ?? '-', text: `was accepted for ${post.key} and is not in the ledger` }];
  return job.key === post.key ? [] : [{ jobId: job.id, text: `was answered for ${post.key} and is ${job.key}` }];
}

export const nothingElseRan: Invariant = {
  id: 'I2',
  title: 'nothing ran that was not posted, and one key made one job',
  check(casebook) {
    const violations: Violation[] = [];
    const posted = new Set(casebook.posts.map(post => post.key));
    const jobOfKey = new Map<string, string>();
    for (const job of casebook.jobs) {
      if (job.key === null || !posted.has(job.key))
        violations.push({ jobId: job.id, text: `${job.key} was not posted` });
      const other = jobOfKey.get(job.key ?? '');
      if (other) violations.push({ jobId: job.id, text: `${job.key} made this job and ${other}` });
      jobOfKey.set(job.key ?? '', job.id);
    }
    for (const run of casebook.runs) {
      const job = casebook.jobsById.get(run.jobId);
      if (!job && mayBeDeleted(casebook, run.jobId)) continue;
      if (!job) violations.push({ jobId: run.jobId, text: `ran (${run.key}) and is not in the ledger` });
      else if (job.key !== run.key) violations.push({ jobId: job.id, text: `is ${job.key} and ran as ${run.key}` });
      else if (hasWholeHistory(job) && !job.history.some(entry => entry.via === 'T3' && entry.runKey === run.runKey))
        violations.push({ jobId: job.id, text: `run ${run.runKey} on ${run.worker} did not pass the start gate` });
    }
    return violations;
  },
};
