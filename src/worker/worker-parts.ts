import type { Redis } from 'ioredis';
import type { Config } from '../config/config.ts';
import { type JobRegistry, lanesOf } from '../jobs/define-job.ts';
import { createJobServices } from '../jobs/services/create-job-services.ts';
import { WakeList, WakeListener } from '../pipeline/load/wake-list.ts';
import { QueueManager } from '../pipeline/queue/queue-manager.ts';
import { JobEvents } from '../pipeline/record/job-events.ts';
import { Recorder } from '../pipeline/record/recorder.ts';
import { Sweeper } from '../pipeline/recover/sweeper.ts';
import { ActiveRuns } from '../pipeline/run/active-runs.ts';
import { Heartbeat } from '../pipeline/run/heartbeat.ts';
import { JobRunner } from '../pipeline/run/job-run.ts';
import { Slots } from '../pipeline/run/slots.ts';
import { StartGateGroup } from '../pipeline/run/start-gate-group.ts';
import { ForeignInserts } from '../pipeline/store/foreign-inserts.ts';
import { JobBatchRepository } from '../pipeline/store/job-batch-repository.ts';
import { LanePauses } from '../pipeline/store/lane-pauses.ts';
import { OutcomeCounters } from '../pipeline/store/outcome-counters.ts';
import { markIsolated } from '../pipeline/store/run-leases.ts';
import { createStoreContext } from '../pipeline/store/store-context.ts';
import { BackgroundCheck } from '../pipeline/verify/background-check.ts';
import { messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { LedgerConnection } from '../platform/mongo.ts';
import { newProcessId } from '../platform/process-id.ts';
import { openRedis, type RedisRole } from '../platform/redis.ts';

interface WorkerHooks {
  /** A slot became free. */
  onSlotFreed: () => void;
  /** Whether this process could load something now. */
  hasRoom: () => boolean;
  /** Something of this lane became pending, somewhere in the fleet. */
  onWake: (lane: string) => void;
}

export interface WorkerOptions {
  config: Config;
  registry: JobRegistry;
  logger: Logger;
  ledger: LedgerConnection;
  hooks: WorkerHooks;
}

/** Everything that a worker is made of, not yet started. */
export type WorkerParts = ReturnType<typeof composeWorker>;

/** The composition root of a worker: no step calls the next one, each is given it here. */
export function composeWorker(options: WorkerOptions) {
  const base = composeBase(options);
  return { ...base, ...composeRun(base, options), ...composeRecovery(base, options) };
}

type Base = ReturnType<typeof composeBase>;

/** Connections, events, and what stands between ledger and engine. */
function composeBase({ config, registry, logger, ledger }: WorkerOptions) {
  const processId = newProcessId();
  const lanes = lanesOf(registry, config.queue.lanes);
  const events = new JobEvents();
  const fault = (component: string) => (error: unknown) => void events.emit('fault', { component, error });
  const open = (role: RedisRole): Redis =>
    openRedis(config.redis, role, error =>
      logger.warn({ component: 'redis', role, error: messageOf(error) }, 'Redis is away'),
    );
  const redis = open('producer');
  const { lease, retention, queue } = config;
  const context = createStoreContext({ ledger, processId, lease, retention, deadlineMs: config.mongo.deadlineMs });
  return {
    processId,
    lanes,
    events,
    fault,
    openRedis: open,
    redis,
    context,
    counters: new OutcomeCounters(context, fault('counters')),
    wakeList: new WakeList(redis, queue.prefix, queue.name),
    queueManager: new QueueManager({
      redis,
      prefix: queue.prefix,
      queueName: queue.name,
      lanes,
      onError: fault('queue'),
    }),
  };
}

/** What a job passes through in this process, from its claim to its recorded outcome. */
function composeRun(base: Base, { config, logger, ledger, hooks }: WorkerOptions) {
  const { context, events, counters } = base;
  const runs = new ActiveRuns();
  const recorder = new Recorder({ context, counters, events });
  const heartbeat = new Heartbeat({ context, runs, events, lease: config.lease });
  const services = createJobServices({ config, db: () => ledger.db, redis: () => base.openRedis('producer') });
  return {
    runs,
    recorder,
    heartbeat,
    services,
    slots: new Slots(config.worker.concurrency, hooks.onSlotFreed),
    gate: new StartGateGroup(context, events),
    repository: new JobBatchRepository(context, ({ id, error }) =>
      logger.error({ component: 'loader', jobId: id.toHexString(), error: messageOf(error) }, 'job cannot be claimed'),
    ),
    runner: new JobRunner({
      defaults: config.jobDefaults,
      poisonCrashes: config.worker.poisonCrashes,
      childHeapMb: config.worker.childHeapMb,
      services: services.services,
      runs,
      recorder,
      events,
      slots: config.worker.concurrency,
      markIsolated: run => markIsolated(context, run),
      now: () => context.clock.now(),
    }),
  };
}

/** What works beside the path: sweeping, checking, pauses, and the two ways to learn of new work. */
function composeRecovery(base: Base, { config, ledger, hooks }: WorkerOptions) {
  const { context, queueManager, counters, events, fault, wakeList, lanes } = base;
  return {
    backgroundCheck: new BackgroundCheck({ context, engine: queueManager, lanes, events, ...config.verify }),
    pauses: new LanePauses(context, fault('pauses')),
    sweeper: new Sweeper({
      context,
      ledger,
      queueManager,
      counters,
      events,
      lease: config.lease,
      wake: hooks.onWake,
    }),
    foreignInserts: new ForeignInserts({
      context,
      wake: lane => {
        wakeList.push(lane);
        hooks.onWake(lane);
      },
      onError: fault('foreign-inserts'),
    }),
    wakeListener: new WakeListener({
      open: () => base.openRedis('blocking'),
      key: wakeList.key,
      hasRoom: hooks.hasRoom,
      onToken: hooks.onWake,
      onError: fault('wake-list'),
    }),
  };
}
