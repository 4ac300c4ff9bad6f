import { type JobPlan, type JobPlans, needsFullDocument, submissionOf } from '../job/job-plan.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { PostRecord } from '../oracle/evidence.ts';
import type { Random } from '../random.ts';

export interface LoadOptions {
  plans: JobPlans;
  clients: number;
  /** APIs that can be reached; a client whose post is not answered tries the next one. */
  apiUrls: () => readonly string[];
  random: Random;
  /** How many jobs may be posted now. */
  room: (posted: number) => number;
  /** Most jobs of one bulk post; 1 posts them all singly. */
  largestBulk?: number;
  /** Puts a job into the ledger without the API; answers its id. */
  insert: (plan: JobPlan) => Promise<string>;
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
  /** Requests that wait for their answer, by their API. */
  readonly #underWay = new Map<string, number>();
  #accepted = 0;
  #isOver = false;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Jobs that have been answered with an id. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Whether nothing more is going to be posted. */
  get isOver(): boolean {
    return (this.#isOver || this.#options.plans.isExhausted) && this.#accepted === this.#options.plans.made.length;
  }

  /** Whether a request to this API waits for its answer right now. */
  isUnderWay(apiUrl: string): boolean {
    return (this.#underWay.get(apiUrl) ?? 0) > 0;
  }

  /** Begins no further posts. */
  end(): void {
    this.#isOver = true;
  }

  /** Resolves when every job has been posted, or given up, or `end` was called. */
  async run(signal: AbortSignal): Promise<void> {
    const clients = Array.from({ length: this.#options.clients }, (_, index) =>
      this.#client(index + 1, this.#options.random.fork(), signal),
    );
    await Promise.all(clients);
  }

  async #client(client: number, random: Random, signal: AbortSignal): Promise<void> {
    const { plans: source, largestBulk = LARGEST_BULK } = this.#options;
    while (!source.isExhausted && !this.#isOver && !signal.aborted) {
      const room = this.#options.room(source.made.length);
      if (room <= 0) {
        await pause(20, signal);
        continue;
      }
      const isSingle = largestBulk === 1 || random.chance(0.5);
      const plans = source.take(isSingle ? 1 : Math.min(random.int(2, largestBulk), room));
      const wasAccepted = await this.#post(client, plans, isSingle, signal);
      this.#accepted += plans.length;
      // Some clients miss an answer that was sent: the same key must lead to the same job.
      const isPosted = wasAccepted && !plans.some(needsFullDocument);
      if (isPosted && random.chance(REPEATED)) await this.#post(client, plans, isSingle, signal);
    }
  }

  async #post(client: number, plans: JobPlan[], isSingle: boolean, signal: AbortSignal): Promise<boolean> {
    const giveUpAt = monotonicMs() + GIVE_UP_MS;
    for (let failed = 0; !signal.aborted; failed += 1) {
      const at = monotonicMs();
      const urls = this.#options.apiUrls();
      const url = urls[(client + failed) % urls.length] ?? '';
      const answer = await this.#answer(url, plans, isSingle);
      const ms = monotonicMs() - at;
      for (const [index, plan] of plans.entries()) {
        const id = answer.ids[index] ?? null;
        const detail = answer.detail === undefined ? {} : { detail: answer.detail };
        this.posts.push({ key: plan.payload.key, client, at, ms, status: answer.status, id, ...detail });
      }
      if (answer.status !== null && answer.status < 500 && answer.status !== 429) return answer.ids.length > 0;
      if (at > giveUpAt) return false;
      // With another API to go to there is nothing to wait for; then less and less often.
      if (failed >= urls.length - 1)
        await pause(Math.min(100 * 2 ** (failed - urls.length + 1), LONGEST_PAUSE_MS), signal);
    }
    return false;
  }

  #answer(url: string, plans: readonly JobPlan[], isSingle: boolean): Promise<Answer> {
    const [first] = plans;
    if (isSingle && first && needsFullDocument(first)) return this.#insert(first);
    return isSingle ? this.#single(url, first!) : this.#bulk(url, plans);
  }

  async #insert(plan: JobPlan): Promise<Answer> {
    return { status: 202, ids: [await this.#options.insert(plan)] };
  }

  async #single(url: string, plan: JobPlan): Promise<Answer> {
    return this.#send(`${url}/v1/jobs`, submissionOf(plan), { 'idempotency-key': plan.payload.key });
  }

  async #bulk(url: string, plans: readonly JobPlan[]): Promise<Answer> {
    const jobs = plans.map(plan => ({ ...submissionOf(plan), idempotencyKey: plan.payload.key }));
    return this.#send(`${url}/v1/jobs/bulk`, { jobs }, {});
  }

  async #send(url: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    const { origin } = new URL(url);
    const count = (change: 1 | -1) => this.#underWay.set(origin, (this.#underWay.get(origin) ?? 0) + change);
    count(1);
    try {
      const response = await fetch(url, {
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
    } finally {
      count(-1);
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
