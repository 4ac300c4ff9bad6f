import { setMaxListeners } from 'node:events';
import { type JobMix, JobPlans } from '../job/job-plan.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import { blocksAmong } from '../oracle/deeds.ts';
import type { Casebook, Evidence, FaultRecord, OperationRecord } from '../oracle/evidence.ts';
import { openCasebook } from '../oracle/evidence.ts';
import { type Figures, figuresOf } from '../oracle/figures.ts';
import type { VitalSign } from '../oracle/vitals.ts';
import { Random } from '../random.ts';
import type { Fault } from '../world/faults.ts';
import { endLeftovers } from '../world/leftovers.ts';
import { Load } from '../world/load.ts';
import { Pacer, SteadyPace } from '../world/pacer.ts';
import { readRuns } from '../world/read-runs.ts';
import { findDrift } from '../world/self-check.ts';
import { supervise } from '../world/supervise.ts';
import { watchVitals } from '../world/watch-vitals.ts';
import { World, type WorldDemands } from '../world/world.ts';
import { nothingIn } from './measures.ts';
import { type Measure, type Played, type Scenario, type Stage, scaled } from './scenario.ts';

/** A scenario in which faults meet a load. */
export interface LoadRound extends Omit<Scenario, 'play'>, WorldDemands {
  /** Jobs at scale 1: faults go on until they are through. Without it, the load goes on until the faults are through. */
  jobs?: number;
  mix?: JobMix;
  clients: number;
  /** Most jobs of one bulk post; 1 posts them all singly. */
  largestBulk?: number;
  apis?: number;
  workers: number;
  /** How fast to post: so many a second, or so that a backlog of some seconds of work remains. */
  pace: { perSecond: number } | { backlogSeconds: number; least: number; most: number };
  /** The load waits until all workers are up: where it is judged how late a run begins, somebody must be there for it. */
  loadWhenUp?: boolean;
  /** Quiet load before the faults begin, and after they have ended. */
  warmUpMs?: number;
  afterMs?: number;
  faults: readonly Fault[];
  /** A worker that ends by itself is started again, as an orchestrator does it. */
  supervised?: boolean;
  /** Memory and file descriptors of every process are looked at all the time. */
  vitals?: boolean;
  /** Its own targets. `scale` is that of the round: a smaller round may be asked for less. */
  measures?(round: { casebook: Casebook; figures: Figures; scale: number }): readonly Measure[];
  /** Longest round; after it, or when nothing ends any more, the round is given up. */
  limitMs: number;
  /** Nothing ends for so long: what is open now is stuck. */
  stuckMs?: number;
}

const PROBE_MS = 500;
const PROGRESS_MS = 5_000;
const STUCK_MS = 45_000;
/** Where the jobs decide, faults end when all is posted and so few jobs are open; what follows is the quiet. */
const LAST_SHARE = 0.02;

/** Makes the scenario: servers up, load and faults, quiet, servers down, evidence. */
export function loadRound(round: LoadRound): Scenario {
  return { ...round, play: stage => playRound(round, stage) };
}

async function playRound(options: LoadRound, stage: Stage): Promise<Played> {
  const { profile = options.profile } = stage;
  const world = await World.start(stage.world, { ...options, ...(profile && { profile }) });
  try {
    const servers = await world.servers.describe();
    const round = new Round(options, stage, world);
    const played = await round.play();
    await world.fleet.stop();
    const leftBehind = await endLeftovers(stage.world.runDir);
    const drift = await findDrift(world.servers);
    const evidence = { ...(await round.evidence()), leftBehind };
    const casebook = openCasebook(evidence);
    const measures = options.measures?.({ casebook, figures: figuresOf(evidence), scale: stage.scale }) ?? [];
    return { ...played, servers, evidence, measures: [...measures, nothingIn('drift that verify finds', drift)] };
  } finally {
    await world.stop();
  }
}

class Round {
  readonly #options: LoadRound;
  readonly #stage: Stage;
  readonly #world: World;
  readonly #plans: JobPlans;
  readonly #backlog: Pacer | null;
  readonly #load: Load;
  readonly #faults: FaultRecord[] = [];
  readonly #vitals: VitalSign[] = [];
  readonly #operations: OperationRecord[] = [];
  readonly #random: Random;
  #open = 0;

  constructor(options: LoadRound, stage: Stage, world: World) {
    this.#options = options;
    this.#stage = stage;
    this.#world = world;
    this.#random = new Random(stage.seed);
    const { jobs, mix, pace } = options;
    const most = jobs === undefined ? {} : { most: stage.jobs ?? scaled(jobs, stage.scale) };
    const name = `${options.name.replaceAll(' ', '-')}-${stage.seed}`;
    this.#plans = new JobPlans({ name, random: this.#random.fork(), ...most, ...(mix && { mix }) });
    this.#backlog = 'perSecond' in pace ? null : new Pacer(pace);
    const steady = 'perSecond' in pace ? new SteadyPace(pace.perSecond) : null;
    this.#load = new Load({
      plans: this.#plans,
      clients: options.clients,
      apiUrls: () => world.fleet.apiUrls,
      random: this.#random.fork(),
      room: posted => steady?.room(posted) ?? this.#backlog?.room(this.#load.accepted) ?? 0,
      insert: plan => world.probe.insertFull(plan),
      ...(options.largestBulk !== undefined && { largestBulk: options.largestBulk }),
    });
  }

  async play(): Promise<Pick<Played, 'durationMs' | 'gaveUp'>> {
    const { workers, apis = 1, loadWhenUp = false } = this.#options;
    const { signal } = this.#stage;
    const { fleet } = this.#world;
    for (let started = 0; started < apis; started += 1) await fleet.startApi();
    for (let started = 0; started < workers; started += 1) fleet.startWorker();
    if (loadWhenUp) await fleet.up(signal);
    // A signal that came while they started has told nobody.
    signal.throwIfAborted();
    const startedAt = monotonicMs();
    const ending = new AbortController();
    const faulting = new AbortController();
    // Every client of the load waits for it.
    setMaxListeners(0, ending.signal, faulting.signal);
    signal.addEventListener('abort', () => ending.abort(), { signal: ending.signal });
    ending.signal.addEventListener('abort', () => faulting.abort(), { once: true });
    const load = this.#load.run(ending.signal);
    const faults = this.#cause(faulting.signal);
    const supervising = this.#options.supervised ? supervise(fleet, this.#faults, ending.signal) : null;
    const watching = this.#options.vitals ? watchVitals(fleet, this.#vitals, ending.signal) : null;
    // A fault that could not be caused ends the round at once: nothing can be judged.
    faults.catch(() => ending.abort());
    const gaveUp = await this.#watch(startedAt, ending.signal, () => faulting.abort());
    ending.abort();
    await Promise.all([load, faults, supervising, watching]);
    signal.throwIfAborted();
    return { durationMs: Math.round(monotonicMs() - startedAt), gaveUp };
  }

  /** What was recorded outside, and the ledger as it is now. */
  async evidence(): Promise<Omit<Evidence, 'leftBehind'>> {
    const plans = new Map(this.#plans.made.map(plan => [plan.payload.key, plan]));
    const runs = readRuns(this.#stage.world.runDir);
    return {
      plans,
      posts: this.#load.posts,
      operations: this.#operations,
      runs,
      faults: [...this.#faults, ...blocksAmong(runs, plans)],
      processes: this.#world.fleet.records(),
      vitals: this.#vitals,
      jobs: await this.#world.probe.readAll(),
      concurrency: this.#options.concurrency,
      workers: this.#options.workers,
    };
  }

  /** All faults at once; where they decide about the length of the round, the load ends with them. */
  async #cause(signal: AbortSignal): Promise<void> {
    const { warmUpMs = 0, afterMs = 0, faults, jobs } = this.#options;
    // A start without its servers is an error, as it should be: faults are for processes that are up.
    await this.#world.fleet.up(signal);
    await pause(warmUpMs, signal);
    const scene = {
      world: this.#world,
      load: this.#load,
      random: this.#random.fork(),
      log: this.#faults,
      operations: this.#operations,
      scale: this.#stage.scale,
      say: this.#stage.say,
    };
    await Promise.all(faults.map(fault => fault(scene, signal)));
    if (jobs !== undefined) return;
    await pause(afterMs, signal);
    this.#load.end();
  }

  /** Paces the load and waits for the quiet: everything posted, faults over, nothing open. */
  async #watch(startedAt: number, signal: AbortSignal, endFaults: () => void): Promise<string | null> {
    const { limitMs, stuckMs = STUCK_MS, jobs } = this.#options;
    const patience = { done: -1, since: monotonicMs() };
    let saidAt = startedAt;
    while (!signal.aborted) {
      await pause(PROBE_MS, signal);
      const accepted = this.#load.accepted;
      // The ledger may be away right now: then what was counted last still stands.
      this.#open = (await this.#world.probe.countOpen().catch(() => null)) ?? this.#open;
      this.#backlog?.observe(this.#open, accepted);
      const now = monotonicMs();
      if (now - saidAt >= PROGRESS_MS) {
        saidAt = now;
        this.#say(now - startedAt);
      }
      const { isOver } = this.#load;
      if (jobs !== undefined && isOver && this.#open <= Math.max(5, accepted * LAST_SHARE)) endFaults();
      if (isOver && this.#open === 0) return null;
      if (now - startedAt > limitMs) return `not ended after ${Math.round(limitMs / 1_000)} s`;
      if (accepted - this.#open !== patience.done) Object.assign(patience, { done: accepted - this.#open, since: now });
      if (now - patience.since > stuckMs) return `nothing ended for ${stuckMs / 1_000} s`;
    }
    return 'interrupted';
  }

  #say(elapsedMs: number): void {
    const kinds = [...new Set(this.#faults.map(fault => fault.kind))];
    const faults = kinds
      .map(kind => `${this.#faults.filter(fault => fault.kind === kind).length} × ${kind}`)
      .join(', ');
    this.#stage.say(
      `${Math.round(elapsedMs / 1_000)} s: ${this.#load.accepted} posted, ${this.#open} open; ${faults || 'no fault yet'}`,
    );
  }
}
