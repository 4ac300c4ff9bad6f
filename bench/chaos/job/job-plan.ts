import type { RetryPolicy } from '../../../src/platform/backoff.ts';
import type { Random } from '../random.ts';
import { type Act, type ChaosPayload, isUnstorable } from './chaos-payload.ts';
import { CHAOS_TYPE } from './chaos-registry.ts';

/** A job to post. How it must end follows from it: `expectedStatus`. */
export interface JobPlan {
  payload: ChaosPayload;
  priority: number;
  delayMs: number;
  maxRetries: number;
  retry: RetryPolicy;
  timeoutMs: number;
}

const LONG_TIMEOUT_MS = 60_000;
const SHORT_TIMEOUT_MS = 120;

interface Kind {
  weight: number;
  make(random: Random): { acts: Act[]; maxRetries: number; timeoutMs?: number };
}

const KINDS: readonly Kind[] = [
  { weight: 70, make: () => ({ acts: ['ok'], maxRetries: 3 }) },
  { weight: 12, make: random => ({ acts: [...failures(random.int(1, 2)), 'ok'], maxRetries: 3 }) },
  { weight: 5, make: random => ({ acts: ['fail'], maxRetries: random.int(0, 2) }) },
  { weight: 5, make: () => ({ acts: ['fail-for-good'], maxRetries: 3 }) },
  // Room for more timeouts than planned: on a busy machine a short timeout may end an attempt that meant well.
  { weight: 8, make: () => ({ acts: ['overstay', 'ok'], maxRetries: 12, timeoutMs: SHORT_TIMEOUT_MS }) },
];
const WEIGHTS = KINDS.reduce((sum, kind) => sum + kind.weight, 0);

/** Makes the job of this key, the nth of its round (0, 1, …): one kind of mix. */
export type JobMix = (key: string, random: Random, index: number) => JobPlan;

/** The jobs of one round, made one by one; `name` keeps their keys apart from those of other rounds. */
export class JobPlans {
  /** What has been handed out. */
  readonly made: JobPlan[] = [];
  readonly #mix: JobMix;
  readonly #name: string;
  readonly #random: Random;
  readonly #most: number;

  constructor(options: { mix?: JobMix; name: string; random: Random; most?: number }) {
    this.#mix = options.mix ?? allKinds;
    this.#name = options.name;
    this.#random = options.random;
    this.#most = options.most ?? Number.POSITIVE_INFINITY;
  }

  get isExhausted(): boolean {
    return this.made.length >= this.#most;
  }

  take(count: number): JobPlan[] {
    const plans = Array.from({ length: Math.min(count, this.#most - this.made.length) }, (_, offset) => {
      const index = this.made.length + offset;
      return this.#mix(`${this.#name}-${index}`, this.#random, index);
    });
    this.made.push(...plans);
    return plans;
  }
}

/** Jobs of every kind: most succeed at once, the others fail in every way that a handler may fail in. */
export function allKinds(key: string, random: Random): JobPlan {
  const { acts, maxRetries, timeoutMs = LONG_TIMEOUT_MS } = pickKind(random).make(random);
  const longest = timeoutMs === SHORT_TIMEOUT_MS ? 50 : 200;
  return {
    payload: { key, workMs: random.int(20, longest), overstayMs: 200, honoursSignal: random.chance(0.5), acts },
    priority: random.chance(0.8) ? 5 : random.int(0, 10),
    delayMs: random.chance(0.05) ? random.int(100, 2_000) : 0,
    maxRetries,
    retry: { strategy: random.pick(['fixed', 'linear', 'exponential']), delayMs: random.int(50, 250) },
    timeoutMs,
  };
}

/** Jobs that succeed at their first run, of one priority, whose handler works `from` to `to` ms. */
export function alwaysOk(work: { fromMs: number; toMs: number; honoursSignal?: boolean }): JobMix {
  return (key, random) => ({
    payload: {
      key,
      workMs: random.int(work.fromMs, work.toMs),
      overstayMs: 0,
      honoursSignal: work.honoursSignal ?? random.chance(0.5),
      acts: ['ok'],
    },
    priority: 5,
    delayMs: 0,
    maxRetries: 3,
    retry: { strategy: 'fixed', delayMs: 100 },
    timeoutMs: LONG_TIMEOUT_MS,
  });
}

function pickKind(random: Random): Kind {
  let left = random.next() * WEIGHTS;
  for (const kind of KINDS) {
    left -= kind.weight;
    if (left < 0) return kind;
  }
  return KINDS[0]!;
}

function failures(count: number): Act[] {
  return Array.from({ length: count }, () => 'fail');
}

/** How the job must end, whatever happens to workers and Redis. */
export function expectedStatus({ payload: { acts }, maxRetries }: JobPlan): 'completed' | 'failed' {
  const firstOk = acts.indexOf('ok');
  const neverOk = firstOk === -1 || firstOk > maxRetries;
  return neverOk || acts.slice(0, firstOk).some(isFinal) ? 'failed' : 'completed';
}

/** What is not tried again. */
function isFinal(act: Act): boolean {
  return act === 'fail-for-good' || isUnstorable(act);
}

/** Jobs whose document is inserted, not posted, and so large that it has no room for their result. */
export function needsFullDocument({ payload: { acts } }: JobPlan): boolean {
  return acts.includes('no-room');
}

/** Jobs whose every run beyond the first is an extra one. */
export function isAlwaysOk(plan: JobPlan): boolean {
  return plan.payload.acts.every(act => act === 'ok');
}

/** The body of `POST /v1/jobs`. */
export function submissionOf(plan: JobPlan): Record<string, unknown> {
  const { payload, priority, delayMs, maxRetries, retry, timeoutMs } = plan;
  return { type: CHAOS_TYPE, payload, priority, delayMs, maxRetries, retry, timeoutMs };
}
