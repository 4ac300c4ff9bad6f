import type { Config } from '../config/config.ts';
import { driftMetrics } from '../http/drift-metrics.ts';
import type { HealthReport } from '../http/health.ts';
import { type HealthServer, startHealthServer } from '../http/health-server.ts';
import type { JobRegistry } from '../jobs/define-job.ts';
import { Loader } from '../pipeline/load/loader.ts';
import { logJobEvents } from '../pipeline/record/event-log.ts';
import { Deliverer } from '../pipeline/run/deliverer.ts';
import { LaneConsumer } from '../pipeline/run/lane-consumer.ts';
import type { ClaimedJob } from '../pipeline/store/job-document.ts';
import { JobStats, type Stats } from '../pipeline/store/job-stats.ts';
import { migrate } from '../pipeline/store/migrate.ts';
import type { Logger } from '../platform/logger.ts';
import { connectLedger, type LedgerConnection } from '../platform/mongo.ts';
import { type Service, startAll, stopAll } from '../platform/service.ts';
import { type DrainReport, drainRuns, settlesWithin } from './drain.ts';
import { Watchdog } from './watchdog.ts';
import { composeWorker, type WorkerParts } from './worker-parts.ts';

const CLOSE_MS = 1_000;

/**
 * A worker process: claims due jobs from MongoDB in batches, loads them into BullMQ, runs their handlers and records what
 * became of them. `run()` starts it, `stop()` drains it; it also serves its health and the board.
 */
export class StandaloneWorker {
  readonly #config: Config;
  readonly #registry: JobRegistry;
  readonly #baseLogger: Logger;
  readonly #logger: Logger;
  #ledger: LedgerConnection | null = null;
  #parts: WorkerParts | null = null;
  #loader: Loader | null = null;
  #deliverer: Deliverer | null = null;
  #watchdog: Watchdog | null = null;
  #stats: JobStats | null = null;
  #consumers: LaneConsumer[] = [];
  #services: Service[] = [];
  #health: HealthServer | null = null;
  #isRunning = false;
  #stopping: Promise<DrainReport> | null = null;
  #giveUp: (reason: string) => void = () => undefined;

  /** Resolves with a reason when the process should end: its consumer is beyond repair, or too many handlers hang. */
  readonly broken: Promise<string>;

  constructor(options: { config: Config; registry: JobRegistry; logger: Logger }) {
    this.#config = options.config;
    this.#registry = options.registry;
    this.#baseLogger = options.logger;
    this.#logger = options.logger.child({ component: 'worker' });
    this.broken = new Promise(resolve => {
      this.#giveUp = resolve;
    });
  }

  /** Port of health and board, once it runs. */
  get healthPort(): number | null {
    return this.#health?.port ?? null;
  }

  /** @throws when MongoDB cannot be reached or is unfit; a Redis that is away only makes the worker not ready. */
  async run(): Promise<void> {
    const config = this.#config;
    this.#ledger = await connectLedger({
      uri: config.mongo.uri,
      appName: 'ledgermq-worker',
      deadlineMs: config.mongo.deadlineMs,
    });
    const parts = composeWorker({
      config,
      registry: this.#registry,
      logger: this.#baseLogger,
      ledger: this.#ledger,
      hooks: {
        onSlotFreed: () => this.#loader?.slotFreed(),
        hasRoom: () => (this.#parts?.slots.free ?? 0) > 0,
        onWake: () => this.#loader?.wake(),
      },
    });
    this.#parts = parts;
    logJobEvents(parts.events, this.#baseLogger);
    await migrate(parts.context);
    this.registerJobHandlers(parts);
    this.#services = [
      parts.queueManager,
      parts.heartbeat,
      parts.pauses,
      ...this.#consumers,
      this.#loader!,
      parts.wakeListener,
      parts.sweeper,
      parts.foreignInserts,
      this.#watchdog!,
      parts.backgroundCheck,
    ];
    await startAll(this.#services);
    this.#isRunning = true;
    this.#health = await startHealthServer({
      config,
      logger: this.#logger,
      health: () => this.healthCheck(),
      getStats: () => this.getStats(),
      getMetrics: () => driftMetrics(parts.context),
      queueManager: parts.queueManager,
    });
    this.#logger.info(
      {
        workerId: parts.processId,
        lanes: parts.lanes,
        concurrency: config.worker.concurrency,
        healthPort: this.#health.port,
      },
      'worker started',
    );
  }

  /**
   * Takes nothing new, waits for running jobs until the drain deadline, hands the rest back. May be called again.
   * The report says whether the process may end with exit code 0.
   */
  stop(): Promise<DrainReport> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async getStats(): Promise<Stats> {
    const { worker, queue } = this.#config;
    const { jobs, queue: counts, connections } = await this.#stats!.read();
    return {
      worker: {
        config: {
          mode: 'worker',
          queue: queue.name,
          batchSize: worker.batchSize,
          concurrency: worker.concurrency,
          intervalMs: worker.intervalMs,
        },
        isRunning: this.#isRunning,
        batchLoading: this.#loader?.isLoading ?? false,
      },
      jobs,
      queue: counts,
      connections,
    };
  }

  /** Ready needs MongoDB and Redis, and a worker that is not draining. */
  async healthCheck(): Promise<HealthReport> {
    const reasons: string[] = [];
    if (!this.#isRunning || this.#stopping) reasons.push('the worker is not running');
    if (!this.#ledger?.isConnected()) reasons.push('MongoDB cannot be reached');
    if (!(await this.#parts?.queueManager.ping())) reasons.push('Redis cannot be reached');
    return { ok: reasons.length === 0, reasons };
  }

  /** One consumer a lane; each delivery finds its handler in the registry. */
  private registerJobHandlers(parts: WorkerParts): void {
    const config = this.#config;
    const isPaused = (lane: string): boolean => parts.pauses.isPaused(lane);
    const deliverer = new Deliverer({
      registry: this.#registry,
      slots: parts.slots,
      gate: parts.gate,
      runner: parts.runner,
      repository: parts.repository,
      events: parts.events,
      isPaused,
      onStart: () => {
        this.#loader?.started();
        this.#watchdog?.started();
        if (parts.slots.free === 0) this.#watchdog?.slotsFull();
      },
      onPending: () => this.#loader?.wake(),
    });
    this.#deliverer = deliverer;
    this.#consumers = parts.lanes.map(
      lane =>
        new LaneConsumer({
          lane,
          queueName: parts.queueManager.nameOf(lane),
          prefix: config.queue.prefix,
          concurrency: config.worker.concurrency,
          openRedis: () => parts.openRedis('worker'),
          deliver: (...delivery) => deliverer.deliver(...delivery),
          onError: error => parts.events.emit('fault', { component: 'consumer', error }),
        }),
    );
    this.#loader = new Loader({
      lanes: parts.lanes,
      batchSize: config.worker.batchSize,
      intervalMs: config.worker.intervalMs,
      slots: parts.slots,
      queueManager: parts.queueManager,
      loadBatch: (lane, limit) => this.loadBatchToRedis(lane, limit),
      nextDueInMs: async lane => {
        const due = await parts.repository.nextDue(lane);
        return due === null ? null : due.getTime() - parts.context.clock.now().getTime();
      },
      isPaused,
      events: parts.events,
    });
    this.#watchdog = this.#createWatchdog(parts, isPaused);
    this.#stats = new JobStats({ context: parts.context, queueManager: parts.queueManager, ledger: this.#ledger! });
    parts.events.on('zombie', ({ count }) => {
      if (count > config.worker.concurrency) this.#giveUp('more handlers hang than there are slots');
    });
  }

  /**
   * Claims one batch of a lane and loads it. What the engine certainly did not take is given back (T2); in doubt nothing is
   * done, and S1 heals.
   */
  private async loadBatchToRedis(lane: string, limit: number): Promise<ClaimedJob[]> {
    const { queueManager, repository } = this.#parts!;
    if (queueManager.isAway()) throw new Error('Redis is away: nothing is claimed');
    const claimed = await repository.loadNextBatch(lane, limit);
    if (claimed.length === 0) return claimed;
    if (queueManager.isAway()) {
      await repository.giveBack(claimed);
      throw new Error('Redis went away: the batch was given back');
    }
    await queueManager.addJobs(lane, claimed);
    return claimed;
  }

  #createWatchdog(parts: WorkerParts, isPaused: (lane: string) => boolean): Watchdog {
    return new Watchdog({
      watchdogMs: this.#config.worker.watchdogMs,
      countWaiting: async () => {
        const lanes = parts.lanes.filter(lane => !isPaused(lane));
        const counts = await Promise.all(lanes.map(lane => parts.queueManager.waitingCount(lane)));
        return counts.reduce((sum, count) => sum + count, 0);
      },
      freeSlots: () => parts.slots.free,
      rebuild: async () => {
        this.#logger.warn('nothing started although work waits: the consumers are rebuilt');
        for (const consumer of this.#consumers) {
          await consumer.stop();
          await consumer.start();
        }
      },
      giveUp: this.#giveUp,
      onError: error => parts.events.emit('fault', { component: 'watchdog', error }),
    });
  }

  async #stop(): Promise<DrainReport> {
    const parts = this.#parts;
    const [loader, watchdog] = [this.#loader, this.#watchdog];
    // A start that failed before the services were made: nothing runs.
    if (!parts || !loader || !watchdog) {
      parts?.redis.disconnect();
      await this.#ledger?.close();
      return { handedBack: 0, clean: true };
    }
    const { drainDeadlineMs } = this.#config.worker;
    const since = performance.now();
    this.#logger.info({ running: parts.runs.size }, 'draining');
    this.#deliverer?.drain(drainDeadlineMs);
    await Promise.all([
      settlesWithin(stopAll([loader, parts.wakeListener, parts.foreignInserts, watchdog]), 4 * CLOSE_MS),
      settlesWithin(parts.backgroundCheck.stop(), 4 * CLOSE_MS),
      ...this.#consumers.map(consumer => settlesWithin(consumer.pause(), CLOSE_MS)),
    ]);
    // The deadline counts from the signal, whatever the loader and the others took to become quiet.
    const leftMs = Math.max(0, drainDeadlineMs - (performance.now() - since));
    const drained = await drainRuns({
      runs: parts.runs,
      idle: () => this.#deliverer!.idle(),
      deadlineMs: leftMs,
      stopped: () => parts.runner.stopped(),
    });
    this.#isRunning = false;
    // The outcomes are safe in the ledger, but the engine cannot be told: whoever supervises should look.
    const report = { ...drained, clean: drained.clean && !parts.queueManager.isAway() };
    // At once: each may take its time, and whoever sent the signal has a limit for all of them together.
    await Promise.all([
      settlesWithin(Promise.all(this.#consumers.map(consumer => consumer.stop())), 3 * CLOSE_MS),
      ...[parts.queueManager, parts.heartbeat, parts.pauses, parts.sweeper].map(part =>
        settlesWithin(stopAll([part]), CLOSE_MS),
      ),
      settlesWithin(Promise.all([parts.recorder.idle(), parts.counters.idle()]), CLOSE_MS),
      this.#health && settlesWithin(this.#health.stop(), CLOSE_MS),
      settlesWithin(parts.services.close(), CLOSE_MS),
    ]);
    parts.redis.disconnect();
    await settlesWithin(this.#ledger!.close(), CLOSE_MS);
    this.#logger.info(report, 'worker stopped');
    return report;
  }
}
