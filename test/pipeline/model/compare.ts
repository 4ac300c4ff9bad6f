import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { isTerminal } from '../../../src/pipeline/store/job-document.ts';
import type { Entry, Job } from './job.ts';

/** The store's claim tokens under the names that the model gave them; one name each, for good. */
export class TokenNames {
  readonly #byToken = new Map<string, string>();
  readonly #known = new Set<string>();

  /** The name of a token; one that is seen for the first time takes `expected`, unless that is another's. */
  nameOf(token: string, expected: string | null): string {
    const known = this.#byToken.get(token);
    if (known) return known;
    if (expected === null || this.#known.has(expected)) return `unknown token ${token}`;
    this.#byToken.set(token, expected);
    this.#known.add(expected);
    return expected;
  }
}

/** A document in the words of the model. */
export function shownOf(document: JobDocument, job: Job, names: TokenNames): ReturnType<typeof expectedOf> {
  const last = document.history!.at(-1)!;
  return {
    status: document.status,
    runAt: document.runAt.getTime(),
    startBy: document.startBy?.getTime() ?? null,
    token: document.token ? names.nameOf(document.token.toHexString(), job.token) : null,
    runKey: document.runKey?.toHexString() ?? null,
    owner: document.owner ?? null,
    leaseMs: document.leaseMs ?? null,
    hasBeat: document.beatAt !== undefined,
    isOver: document.beatAt !== undefined && document.beatAt.getTime() < document.createdAt.getTime() - 3 * 3_600_000,
    isSuspect: document.suspectAt !== undefined,
    isIsolated: document.isolatedAt !== undefined,
    isCancelRequested: document.cancelRequestedAt !== undefined,
    hasEnded: document.finishedAt !== undefined && document.expireAt !== undefined,
    runs: document.runs,
    failures: document.failures,
    crashes: document.crashes,
    isolatedRescues: document.isolatedRescues,
    queuedRefreshes: document.queuedRefreshes,
    runSeq: document.runSeq,
    result: (document.result as string | undefined) ?? null,
    errors: (document.errors ?? []).map(error => error.name),
    hits: document.idempotency?.hits ?? 0,
    historySeq: document.historySeq!,
    last: lastOf({ ...last, from: last.from!, runKey: last.runKey?.toHexString() ?? null }),
  };
}

/** A job of the model in the same form. */
export function expectedOf(job: Job, leases: { leaseMs: number; queuedLeaseMs: number }) {
  const leaseMs = { queued: leases.queuedLeaseMs, processing: leases.leaseMs } as Record<string, number>;
  return {
    status: job.status,
    runAt: job.runAt,
    startBy: job.startBy,
    token: job.token,
    runKey: job.runKey,
    owner: job.owner,
    leaseMs: leaseMs[job.status] ?? null,
    hasBeat: job.beat !== null,
    isOver: job.isOver,
    isSuspect: job.suspect !== null,
    isIsolated: job.isIsolated,
    isCancelRequested: job.isCancelRequested,
    hasEnded: isTerminal(job.status),
    runs: job.runs,
    failures: job.failures,
    crashes: job.crashes,
    isolatedRescues: job.isolatedRescues,
    queuedRefreshes: job.queuedRefreshes,
    runSeq: job.runSeq,
    result: job.result,
    errors: job.errors,
    hits: job.hits,
    historySeq: job.historySeq,
    last: lastOf(job.history.at(-1)!),
  };
}

const lastOf = ({ via, from, to, by, runKey }: Entry): string => `${via} ${from} > ${to} by ${by}, run ${runKey}`;
