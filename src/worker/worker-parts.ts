import type { Redis } from 'ioredis';
import type { Config } from '../config/config.ts';
import { type JobRegistry, lanesOf } from '../jobs/define-job.ts';
import type { JobServices } from '../jobs/job-context.ts';
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
import { createStoreContext, type StoreContext } from '../pipeline/store/store-context.ts';
import { messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { LedgerConnection } from '../platform/mongo.ts';
import { newProcessId } from '../platform/process-id.ts';
import { openRedis, type RedisRole } from '../platform/redis.ts';

/** Everything that a worker is made of, not yet started. */
export interface WorkerParts {
  processId: string;
  lanes: string[];
  context: StoreContext;
  redis: Redis;
  openRedis: (role: RedisRole) => Redis;
  queueManager: QueueManager;
  events: JobEvents;
  slots: Slots;
  runs: ActiveRuns;
  repository: JobBatchRepository;
  recorder: Recorder;
  counters: OutcomeCounters;
  heartbeat: Heartbeat;
  gate: StartGateGroup;
  runner: JobRunner;
  pauses: LanePauses;
  sweeper: Sweeper;
  foreignInserts: ForeignInserts;
  wakeList: WakeList;
  wakeListener: WakeListener;
  services: { services: JobServices; close(): Promise<void> };
}

export interface WorkerHooks {
  /** A slot became free. */
  onSlotFreed: () => void;
  /** Something of this lane became pending, somewhere in the fleet. */
  onWake: (lane: string) => void;
}

/** The composition root of a worker: no step calls the next one, each is given it here. */
export function composeWorker(options: {
  config: Config;
  registry: JobRegistry;
  logger: Logger;
  ledger: LedgerConnection;
  hooks: WorkerHooks;
}): WorkerParts {
  const { config, registry, logger, ledger, hooks } = options;
  const processId = newProcessId();
  const lanes = lanesOf(registry, config.queue.lanes);
  const events = new JobEvents();
  const fault = (component: string) => (error: unknown) => void events.emit('fault', { component, error });
  const open = (role: RedisRole): Redis =>
    openRedis(config.redis, role, error =>
      logger.warn({ component: 'redis', role, error: messageOf(error) }, 'Redis is away'),
    );
  const redis = open('producer');
  const { lease } = config;
  const context = createStoreContext({
    ledger,
    processId,
    lease,
    retention: config.retention,
    deadlineMs: config.mongo.deadlineMs,
  });
  const queueManager = new QueueManager({
    redis,
    prefix: config.queue.prefix,
    queueName: config.queue.name,
    lanes,
    onError: fault('queue'),
  });
  const wakeList = new WakeList(redis, config.queue.prefix, config.queue.name);
  const slots = new Slots(config.worker.concurrency, hooks.onSlotFreed);
  const runs = new ActiveRuns();
  const counters = new OutcomeCounters(context, fault('counters'));
  const recorder = new Recorder({ context, counters, events });
  const heartbeat = new Heartbeat({ context, runs, events, lease });
  const services = createJobServices({ config, db: () => ledger.db, redis: () => open('producer') });
  return {
    processId,
    lanes,
    context,
    redis,
    openRedis: open,
    queueManager,
    events,
    slots,
    runs,
    repository: new JobBatchRepository(context, ({ id, error }) =>
      logger.error({ component: 'loader', jobId: id.toHexString(), error: messageOf(error) }, 'job cannot be claimed'),
    ),
    recorder,
    counters,
    heartbeat,
    gate: new StartGateGroup(context, events),
    runner: new JobRunner({
      defaults: config.jobDefaults,
      poisonCrashes: config.worker.poisonCrashes,
      childHeapMb: config.worker.childHeapMb,
      services: services.services,
      runs,
      heartbeat,
      recorder,
      events,
      now: () => context.clock.now(),
    }),
    pauses: new LanePauses(context, fault('pauses')),
    sweeper: new Sweeper({ context, ledger, queueManager, counters, events, lease, wake: hooks.onWake }),
    foreignInserts: new ForeignInserts({
      context,
      wake: lane => {
        wakeList.push(lane);
        hooks.onWake(lane);
      },
      onError: fault('foreign-inserts'),
    }),
    wakeList,
    wakeListener: new WakeListener({
      open: () => open('blocking'),
      key: wakeList.key,
      hasRoom: () => slots.free > 0,
      onToken: hooks.onWake,
      onError: fault('wake-list'),
    }),
    services,
  };
}
