import { isDeepStrictEqual } from 'node:util';
import { mongo } from 'mongoose';
import type { RetryState } from '../../../src/pipeline/run/decide-outcome.ts';
import type { ClaimedJob, JobDocument } from '../../../src/pipeline/store/job-document.ts';
import type { ExpiredLease } from '../../../src/pipeline/store/recovery-store.ts';
import type { RunEnd } from '../../../src/pipeline/store/run-outcomes.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { LedgerClock } from '../../../src/platform/ledger-clock.ts';
import { Auditor } from './auditor.ts';
import { Census } from './census.ts';
import { expectedOf, shownOf, TokenNames } from './compare.ts';
import { InFlight, type Move } from './in-flight.ts';
import { type Job, type Run, type Ticket, World } from './job.ts';
import { type Fate, Turnstile } from './turnstile.ts';

const HOUR_MS = 3_600_000;
/** Longer than any sequence lasts: a lease runs out only when the test says so. */
const LEASES = { leaseMs: HOUR_MS, queuedLeaseMs: 2 * HOUR_MS };
/** How far the model's clock moves with every command. */
const TICK_MS = 10;

export interface HeldTicket extends Ticket {
  real: ClaimedJob;
}
export interface HeldRun extends Run {
  by: string;
  ref: RunEnd['run'];
  state: RetryState;
}
export interface Seen {
  model: Job;
  real: ExpiredLease;
}
export interface Gate {
  by: string;
  runKey: mongo.ObjectId;
  tickets: HeldTicket[];
}
export interface Group {
  by: string;
  ends: RunEnd[];
}
/** How far an operation goes at once, and what becomes of the last command of that stretch. */
export interface Pace {
  commands: number;
  fate: Fate;
}
export interface MoveSpec<Real, Expected> extends Omit<Move<Real, Expected>, 'by' | 'turnstile' | 'real'> {
  real: (context: StoreContext) => Promise<Real>;
}

class ModelClock extends LedgerClock {
  readonly #world: World;

  constructor(world: World) {
    super(() => Promise.reject(new Error('the model has its own time')));
    this.#world = world;
  }

  override now(): Date {
    return new Date(this.#world.now);
  }
}

/** Processes that work on one ledger, what they and the engine hold – stale or not –, and the model of it all. */
export class Fleet {
  readonly world: World;
  readonly census = new Census();
  readonly names = new TokenNames();
  readonly log: string[] = [];
  /** What the engine holds: every ticket it ever got, until it is flushed. */
  tickets: HeldTicket[] = [];
  runs: HeldRun[] = [];
  seen: (Seen & { by: string })[] = [];
  /** Gates and outcomes whose reply got lost: their processes repeat them. */
  lostGates: Gate[] = [];
  lostGroups: Group[] = [];
  inFlight: InFlight[] = [];
  readonly #workers = ['worker-0', 'worker-1', 'worker-2'];
  readonly #context: StoreContext;
  readonly #clock: LedgerClock;
  readonly #auditor = new Auditor();
  #past: number;
  /** Something was written since the documents were looked at. */
  #hasWritten = false;

  constructor(context: StoreContext) {
    this.#context = context;
    this.world = new World(context.clock.now().getTime());
    this.#clock = new ModelClock(this.world);
    this.#past = this.world.now - 4 * HOUR_MS;
  }

  worker(index: number): string {
    return this.#workers[index % this.#workers.length]!;
  }

  /** One operation of one process; it stands still where its pace ends. */
  async go<Real, Expected>(by: string, pace: Pace, spec: MoveSpec<Real, Expected>): Promise<void> {
    const turnstile = new Turnstile(this.#context.jobs, () => {
      this.#hasWritten = true;
    });
    const { lease } = this.#context;
    const context: StoreContext = {
      ...this.#context,
      jobs: turnstile.jobs,
      clock: this.#clock,
      processId: by,
      lease: { ...lease, ...LEASES },
      // A process may stand still for longer than any deadline.
      bounded: work => work,
    };
    this.log.push(`${by}: ${spec.label}${pace.fate === 'reply' ? '' : `, ${pace.fate}`}`);
    this.inFlight.push(await InFlight.start({ ...spec, by, turnstile, real: spec.real(context) }));
    await this.proceed(this.inFlight.length - 1, pace, false);
  }

  /** Lets an operation that stands still go on. */
  async proceed(index: number, { commands, fate }: Pace, isAgain = true): Promise<void> {
    const flight = this.inFlight[index]!;
    if (isAgain) this.log.push(`${flight.by}: goes on: ${flight.label}${fate === 'reply' ? '' : `, ${fate}`}`);
    if (fate !== 'reply') this.census.count(`command ${fate}`);
    const hasEnded = await flight.advance(commands, fate);
    if (hasEnded) this.inFlight = this.inFlight.filter(other => other !== flight);
    else if (!isAgain) this.census.count('stands still between two commands');
  }

  /** The process is gone with everything it held; what it had sent stays. Another comes in its place. */
  crash(index: number): void {
    const by = this.worker(index);
    this.log.push(`${by}: crashes`);
    const survives = (held: { by: string }): boolean => held.by !== by;
    this.runs = this.runs.filter(survives);
    this.seen = this.seen.filter(survives);
    this.lostGates = this.lostGates.filter(survives);
    this.lostGroups = this.lostGroups.filter(survives);
    this.inFlight = this.inFlight.filter(survives);
    const [name, life = '0'] = by.split('.');
    this.#workers[index % this.#workers.length] = `${name}.${Number(life) + 1}`;
    this.census.count('crash');
  }

  /** Redis is emptied. */
  flush(): void {
    this.log.push('the engine is flushed');
    this.tickets = [];
  }

  wait(ms: number): void {
    this.world.now += ms;
  }

  /** The only direct write: an old beatAt instead of waiting for a lease to run out. Each differs from every other. */
  async runOut(job: Job): Promise<void> {
    this.log.push(`the lease of ${job.id} runs out`);
    this.#past += 1;
    this.#hasWritten = true;
    Object.assign(job, { beat: this.world.stamp(), isOver: true });
    const old = { $set: { beatAt: new Date(this.#past) } };
    await this.#context.jobs.updateOne({ _id: new mongo.ObjectId(job.id) }, old, { writeConcern: { w: 1 } });
  }

  /** Compares every document with the model, and with the promises that hold without a model. */
  async verify(): Promise<void> {
    this.world.now += TICK_MS;
    if (!this.#hasWritten) return;
    this.#hasWritten = false;
    const documents = await this.#context.jobs.find({}).toArray();
    const left = new Set(this.world.jobs.keys());
    for (const document of documents) {
      const id = document._id.toHexString();
      const job = this.world.jobs.get(id);
      if (!job) throw new Error(`${id} is in the ledger and not in the model`);
      left.delete(id);
      this.#compare(job, document);
    }
    if (left.size > 0) throw new Error(`lost from the ledger: ${[...left].join()}`);
    this.#auditor.observe(documents, this.census);
  }

  #compare(job: Job, document: JobDocument): void {
    const real = shownOf(document, job, this.names);
    // A rescue's delay is random; once it was seen to be in its bounds it is known.
    if (job.runAtFrom !== null && real.runAt >= job.runAtFrom && real.runAt <= job.runAt) job.runAt = real.runAt;
    job.runAtFrom = null;
    const expected = expectedOf(job, LEASES);
    for (const field of Object.keys(expected) as (keyof typeof expected)[]) {
      if (isDeepStrictEqual(real[field], expected[field])) continue;
      const [found, wanted] = [real, expected].map(side => JSON.stringify(side[field]));
      throw new Error(`${job.id}: ${field} is ${found} in the ledger, ${wanted} in the model`);
    }
  }
}
