import type { Config } from '../../config/config.ts';
import type { JobRegistry, Submission } from '../../jobs/define-job.ts';
import { insertJobs } from '../store/bulk-insert.ts';
import type { JobDocument } from '../store/job-document.ts';
import { insertJob } from '../store/job-inserts.ts';
import type { StoreContext } from '../store/store-context.ts';
import { type CheckedSubmission, type CheckResult, checkSubmission } from './check-submission.ts';
import { fingerprintOf } from './fingerprint.ts';
import { ERRORS_SHOWN, type InputError, inputErrorsOf } from './input-errors.ts';
import { newJob } from './new-job.ts';
import { bulkItemSchema } from './submission.ts';

/** Tells a loader that a lane has `count` new jobs; must neither throw nor be waited for. */
export type Wake = (lane: string, count: number) => void;

type NotAccepted = Exclude<CheckResult, { status: 'ok' }>;

export type SubmitResult =
  | { status: 'accepted'; job: JobDocument }
  /** The idempotency key was known and stands for `job`. */
  | { status: 'replayed'; job: JobDocument }
  /** The idempotency key was used with another body. */
  | { status: 'conflict'; pointer: string }
  | NotAccepted;

export type SubmitManyResult =
  /** In the order of the input. */
  | { status: 'accepted'; entries: { replayed: boolean; job: JobDocument }[] }
  | { status: 'conflict'; pointer: string }
  | NotAccepted;

interface CheckedItem {
  submission: CheckedSubmission;
  key: string | undefined;
  /** As it was sent, without its key. */
  body: unknown;
}

type WithKey<T> = T & { idempotencyKey?: string };

export interface SubmitterOptions<Registry> {
  context: StoreContext;
  registry: Registry;
  lanes: readonly string[];
  defaults: Config['jobDefaults'];
  wake: Wake;
}

/** T0: checks jobs and stores them. Waits for MongoDB only. */
export class Submitter<Registry extends JobRegistry = JobRegistry> {
  readonly #options: SubmitterOptions<Registry>;
  readonly #lanes: ReadonlySet<string>;

  constructor(options: SubmitterOptions<Registry>) {
    this.#options = options;
    this.#lanes = new Set(options.lanes);
  }

  /** For code in the same process: a payload that does not fit its type does not compile. @throws StorageUnavailableError */
  submit(tenant: string, job: Submission<Registry>, idempotencyKey?: string): Promise<SubmitResult> {
    return this.submitBody(tenant, job, idempotencyKey);
  }

  /** All or nothing, for code in the same process. @throws StorageUnavailableError */
  submitMany(tenant: string, jobs: readonly WithKey<Submission<Registry>>[]): Promise<SubmitManyResult> {
    return this.submitBodies(tenant, jobs);
  }

  /** Takes any JSON. @throws StorageUnavailableError when the outcome is unknown: repeat with the same idempotency key. */
  async submitBody(tenant: string, body: unknown, idempotencyKey?: string): Promise<SubmitResult> {
    const now = this.#options.context.clock.now();
    const result = this.#check(body, now);
    if (result.status !== 'ok') return result;
    const job = this.#newJob(tenant, now, { submission: result.checked, key: idempotencyKey, body });
    const inserted = await insertJob(this.#options.context, job);
    if (inserted.status === 'conflict') return { status: 'conflict', pointer: '' };
    if (inserted.status === 'replayed') return inserted;
    this.#options.wake(job.queue, 1);
    return { status: 'accepted', job };
  }

  /** All or nothing. Pointers of errors are relative to the array: `/3/payload/to`. @throws StorageUnavailableError */
  async submitBodies(tenant: string, bodies: readonly unknown[]): Promise<SubmitManyResult> {
    const now = this.#options.context.clock.now();
    const checked = this.#checkAll(bodies, now);
    if (checked.status !== 'ok') return checked;
    const jobs = checked.items.map(item => this.#newJob(tenant, now, item));
    const inserted = await insertJobs(this.#options.context, jobs);
    if (inserted.status === 'conflict') {
      return { status: 'conflict', pointer: `/${inserted.positions[0]}/idempotencyKey` };
    }
    this.#wakeLanes(inserted.entries.filter(entry => !entry.replayed).map(entry => entry.job.queue));
    return { status: 'accepted', entries: inserted.entries };
  }

  #check(body: unknown, now: Date): CheckResult {
    return checkSubmission(body, { registry: this.#options.registry, lanes: this.#lanes, now });
  }

  /** Every wrong item is reported; only where all have the right shape does a rule's refusal come to the fore. */
  #checkAll(bodies: readonly unknown[], now: Date): { status: 'ok'; items: CheckedItem[] } | NotAccepted {
    const errors: InputError[] = [];
    const items: CheckedItem[] = [];
    let refusal: NotAccepted | null = null;
    for (const [index, item] of bodies.entries()) {
      const { key, body, keyErrors } = splitKey(item, `/${index}`);
      errors.push(...keyErrors);
      const result = this.#check(body, now);
      if (result.status === 'ok') items.push({ submission: result.checked, key, body });
      else if (result.status === 'refused') refusal ??= { ...result, pointer: `/${index}${result.pointer}` };
      else errors.push(...result.errors.map(error => ({ ...error, pointer: `/${index}${error.pointer}` })));
    }
    if (errors.length > 0) return { status: 'invalid', errors: errors.slice(0, ERRORS_SHOWN) };
    return refusal ?? { status: 'ok', items };
  }

  #newJob(tenant: string, now: Date, { submission, key, body }: CheckedItem): JobDocument {
    const { context, defaults } = this.#options;
    const idempotency = key === undefined ? null : { key, fingerprint: fingerprintOf(body) };
    return newJob(submission, { tenant, now, processId: context.processId, defaults, idempotency });
  }

  #wakeLanes(lanes: readonly string[]): void {
    const counts = new Map<string, number>();
    for (const lane of lanes) counts.set(lane, (counts.get(lane) ?? 0) + 1);
    for (const [lane, count] of counts) this.#options.wake(lane, count);
  }
}

/** The body without its key: the same job has the same fingerprint, sent alone or among others. */
function splitKey(item: unknown, pointer: string): { key: string | undefined; body: unknown; keyErrors: InputError[] } {
  if (typeof item !== 'object' || item === null || !Object.hasOwn(item, 'idempotencyKey')) {
    return { key: undefined, body: item, keyErrors: [] };
  }
  const { idempotencyKey, ...body } = item as { idempotencyKey: unknown };
  const parsed = bulkItemSchema.shape.idempotencyKey.safeParse(idempotencyKey);
  if (parsed.success) return { key: parsed.data, body, keyErrors: [] };
  return { key: undefined, body, keyErrors: inputErrorsOf(parsed.error.issues, `${pointer}/idempotencyKey`) };
}
