import { type JobPlan, submissionOf } from '../job/job-plan.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { PostRecord } from '../oracle/evidence.ts';
import type { Random } from '../random.ts';

export interface LoadOptions {
  plans: readonly JobPlan[];
  clients: number;
  apiUrl: () => string;
  random: Random;
  /** How many jobs may be posted now. */
  room: () => number;
}

const LARGEST_BULK = 40;
const REQUEST_MS = 10_000;
const LONGEST_PAUSE_MS = 2_000;
/** A client that gets no job through for so long gives it up; the oracle then says so. */
const GIVE_UP_MS = 60_000;
const REPEATED = 0.02;

/** Clients that post jobs over HTTP, single and in bulk, and repeat a post with its key until it is answered. */
export class Load {
  /** The publisher log. */
  readonly posts: PostRecord[] = [];
  readonly #options: LoadOptions;
  #next = 0;
  #accepted = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Jobs that have been answered with an id. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Resolves when every job has been posted, or given up. */
  async run(signal: AbortSignal): Promise<void> {
    const clients = Array.from({ length: this.#options.clients }, (_, index) =>
      this.#client(index + 1, this.#options.random.fork(), signal),
    );
    await Promise.all(clients);
  }

  async #client(client: number, random: Random, signal: AbortSignal): Promise<void> {
    while (this.#next < this.#options.plans.length && !signal.aborted) {
      const room = this.#options.room();
      if (room <= 0) {
        await pause(20, signal);
        continue;
      }
      const isSingle = random.chance(0.5);
      const size = isSingle ? 1 : Math.min(random.int(2, LARGEST_BULK), room);
      const plans = this.#options.plans.slice(this.#next, this.#next + size);
      this.#next += plans.length;
      const wasAccepted = await this.#post(client, plans, isSingle, signal);
      this.#accepted += plans.length;
      // Some clients miss an answer that was sent: the same key must lead to the same job.
      if (wasAccepted && random.chance(REPEATED)) await this.#post(client, plans, isSingle, signal);
    }
  }

  async #post(client: number, plans: JobPlan[], isSingle: boolean, signal: AbortSignal): Promise<boolean> {
    const giveUpAt = monotonicMs() + GIVE_UP_MS;
    for (let pauseMs = 100; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const at = monotonicMs();
      const answer = await (isSingle ? this.#single(plans[0]!) : this.#bulk(plans));
      for (const [index, plan] of plans.entries()) {
        const id = answer.ids[index] ?? null;
        const detail = answer.detail === undefined ? {} : { detail: answer.detail };
        this.posts.push({ key: plan.payload.key, client, at, status: answer.status, id, ...detail });
      }
      if (answer.status !== null && answer.status < 500 && answer.status !== 429) return answer.ids.length > 0;
      if (at > giveUpAt) return false;
      await pause(pauseMs, signal);
    }
    return false;
  }

  async #single(plan: JobPlan): Promise<Answer> {
    return this.#send('/v1/jobs', submissionOf(plan), { 'idempotency-key': plan.payload.key });
  }

  async #bulk(plans: readonly JobPlan[]): Promise<Answer> {
    const jobs = plans.map(plan => ({ ...submissionOf(plan), idempotencyKey: plan.payload.key }));
    return this.#send('/v1/jobs/bulk', { jobs }, {});
  }

  async #send(path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    try {
      const response = await fetch(this.#options.apiUrl() + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const text = await response.text();
      if (response.status >= 300) return { status: response.status, ids: [], detail: text.slice(0, 300) };
      return { status: response.status, ids: idsOf(JSON.parse(text)) };
    } catch (error) {
      return { status: null, ids: [], detail: error instanceof Error ? error.message : 'no answer' };
    }
  }
}

interface Answer {
  status: number | null;
  ids: string[];
  detail?: string;
}

/** Of a job, or of the items of a bulk answer. */
function idsOf(body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return [];
  if ('items' in body && Array.isArray(body.items)) return body.items.flatMap(idsOf);
  return 'id' in body && typeof body.id === 'string' ? [body.id] : [];
}
