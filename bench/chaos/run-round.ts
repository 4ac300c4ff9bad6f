import { planJobs } from './job/job-plan.ts';
import { monotonicMs, pause } from './monotonic.ts';
import type { Evidence, FaultRecord } from './oracle/evidence.ts';
import { Random } from './random.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { endLeftovers } from './world/leftovers.ts';
import { Load } from './world/load.ts';
import { Pacer } from './world/pacer.ts';
import { readRuns } from './world/read-runs.ts';
import { World, type WorldOptions } from './world/world.ts';

export interface RoundOptions {
  scenario: Scenario;
  jobs: number;
  seed: number;
  world: Omit<WorldOptions, 'concurrency'>;
  say: (line: string) => void;
  /** Ends the round early: nothing is left behind, nothing is judged. */
  signal: AbortSignal;
}

export interface RoundResult {
  evidence: Evidence;
  /** Which servers served. */
  servers: string;
  /** From the first post to the end of the last job. */
  durationMs: number;
  /** Why the round was given up before every job had ended; null when it was not. */
  gaveUp: string | null;
}

const PROBE_MS = 500;
const PROGRESS_MS = 5_000;
/** Nothing ends for so long: what is open now is stuck. */
const STUCK_MS = 45_000;
/** Faults end when all is posted and so few jobs are open; what follows is the quiet. */
const LAST_SHARE = 0.02;

/** Plays one round: servers up, load and faults, quiet, servers down; answers the evidence. */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const world = await World.start({ ...options.world, concurrency: options.scenario.concurrency });
  const servers = world.describe();
  try {
    const round = new Round(options, world);
    const played = await round.play();
    await world.fleet.stop();
    const leftBehind = await endLeftovers(options.world.runDir);
    return { ...played, servers, evidence: { ...(await round.evidence()), leftBehind } };
  } finally {
    await world.stop();
  }
}

class Round {
  readonly #options: RoundOptions;
  readonly #world: World;
  readonly #plans: ReturnType<typeof planJobs>;
  readonly #pacer: Pacer;
  readonly #load: Load;
  readonly #faults: FaultRecord[] = [];
  readonly #random: Random;
  #open = 0;

  constructor(options: RoundOptions, world: World) {
    const { scenario, seed, jobs } = options;
    this.#options = options;
    this.#world = world;
    this.#random = new Random(seed);
    this.#plans = planJobs(jobs, `${scenario.name}-${seed}`, this.#random.fork());
    this.#pacer = new Pacer({ ...scenario.backlog, backlogSeconds: scenario.backlog.seconds });
    this.#load = new Load({
      plans: this.#plans,
      clients: scenario.clients,
      apiUrl: () => world.fleet.apiUrl,
      random: this.#random.fork(),
      room: () => this.#pacer.room(this.#load.accepted),
    });
  }

  async play(): Promise<Pick<RoundResult, 'durationMs' | 'gaveUp'>> {
    const { scenario, signal } = this.#options;
    const { fleet } = this.#world;
    await fleet.startApi();
    for (let started = 0; started < scenario.workers; started += 1) fleet.startWorker();
    const startedAt = monotonicMs();
    const ending = new AbortController();
    const faulting = new AbortController();
    signal.addEventListener('abort', () => ending.abort(), { once: true });
    ending.signal.addEventListener('abort', () => faulting.abort(), { once: true });
    const scene = {
      fleet,
      random: this.#random.fork(),
      log: this.#faults,
      flushAll: () => this.#world.flushAll(),
    };
    const faults = scenario.faults.map(fault => fault(scene, faulting.signal));
    const load = this.#load.run(ending.signal);
    const gaveUp = await this.#watch(startedAt, () => faulting.abort());
    ending.abort();
    await Promise.all([load, ...faults]);
    signal.throwIfAborted();
    return { durationMs: Math.round(monotonicMs() - startedAt), gaveUp };
  }

  /** What was recorded outside, and the ledger as it is now. */
  async evidence(): Promise<Omit<Evidence, 'leftBehind'>> {
    return {
      plans: new Map(this.#plans.map(plan => [plan.payload.key, plan])),
      posts: this.#load.posts,
      runs: readRuns(this.#options.world.runDir),
      faults: this.#faults,
      processes: this.#world.fleet.records(),
      jobs: await this.#world.probe.readAll(),
      concurrency: this.#options.scenario.concurrency,
    };
  }

  /** Paces the load and waits for the quiet: everything posted, faults over, nothing open. */
  async #watch(startedAt: number, endFaults: () => void): Promise<string | null> {
    const { scenario, signal, jobs } = this.#options;
    const patience = { done: -1, since: monotonicMs() };
    let saidAt = startedAt;
    while (!signal.aborted) {
      await pause(PROBE_MS, signal);
      const accepted = this.#load.accepted;
      this.#open = await this.#world.probe.countOpen();
      this.#pacer.observe(this.#open, accepted);
      const now = monotonicMs();
      if (now - saidAt >= PROGRESS_MS) {
        saidAt = now;
        this.#say(now - startedAt);
      }
      const allPosted = accepted === jobs;
      if (allPosted && this.#open <= Math.max(5, jobs * LAST_SHARE)) endFaults();
      if (allPosted && this.#open === 0) return null;
      if (now - startedAt > scenario.limitMs) return `not ended after ${Math.round(scenario.limitMs / 1_000)} s`;
      if (accepted - this.#open !== patience.done) Object.assign(patience, { done: accepted - this.#open, since: now });
      if (now - patience.since > STUCK_MS) return `nothing ended for ${STUCK_MS / 1_000} s`;
    }
    return 'interrupted';
  }

  #say(elapsedMs: number): void {
    const count = (kind: FaultRecord['kind']) => this.#faults.filter(fault => fault.kind === kind).length;
    this.#options.say(
      `${Math.round(elapsedMs / 1_000)} s: ${this.#load.accepted} of ${this.#options.jobs} posted, ${this.#open} open, ` +
        `${Math.round(this.#pacer.perSecond)} done a second; ${count('kill')} kills, ${count('stop')} stops, ${count('flush')} flushes`,
    );
  }
}
