import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import type { Config } from '../config/config.ts';
import type { Identity } from '../http/authenticator.ts';
import type { HealthReport } from '../http/health.ts';
import { listen } from '../http/http-server.ts';
import { type JobRegistry, lanesOf } from '../jobs/define-job.ts';
import { WakeList } from '../pipeline/load/wake-list.ts';
import { QueueManager } from '../pipeline/queue/queue-manager.ts';
import { logJobEvents } from '../pipeline/record/event-log.ts';
import { JobEvents } from '../pipeline/record/job-events.ts';
import { Sweeper } from '../pipeline/recover/sweeper.ts';
import { JobStats, type Stats } from '../pipeline/store/job-stats.ts';
import { migrate } from '../pipeline/store/migrate.ts';
import { OutcomeCounters } from '../pipeline/store/outcome-counters.ts';
import { createStoreContext, type StoreContext } from '../pipeline/store/store-context.ts';
import { Submitter, type Wake } from '../pipeline/submit/submitter.ts';
import { BackgroundCheck } from '../pipeline/verify/background-check.ts';
import { withDeadline } from '../platform/deadline.ts';
import { messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { connectLedger, type LedgerConnection } from '../platform/mongo.ts';
import { newProcessId } from '../platform/process-id.ts';
import { openRedis } from '../platform/redis.ts';
import { type Service, startAll, stopAll } from '../platform/service.ts';
import { createApp } from './app.ts';

/** A health check that MongoDB does not answer within this time has failed. */
const PING_MS = 2_000;

export interface PublisherOptions<Registry extends JobRegistry> {
  config: Config;
  registry: Registry;
  logger: Logger;
}

/** The publisher API: takes jobs into the ledger and shows them. It needs MongoDB; without Redis everything but the board works. */
export class Publisher<Registry extends JobRegistry = JobRegistry> implements Service {
  readonly #options: PublisherOptions<Registry>;
  readonly #logger: Logger;
  #ledger: LedgerConnection | null = null;
  #redis: Redis | null = null;
  #stats: JobStats | null = null;
  #counters: OutcomeCounters | null = null;
  #submitter: Submitter<Registry> | null = null;
  #services: Service[] = [];
  #app: FastifyInstance | null = null;
  #port: number | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: PublisherOptions<Registry>) {
    this.#options = options;
    this.#logger = options.logger.child({ component: 'publisher' });
  }

  /** null until it listens. */
  get port(): number | null {
    return this.#port;
  }

  /** Where it can be reached from this machine. @throws Error before `start()`. */
  get url(): string {
    if (this.#port === null) throw new Error('the publisher has not been started');
    const { host } = this.#options.config.http;
    const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${this.#port}`;
  }

  /** For code in the same process. @throws Error before `start()`. */
  get submitter(): Submitter<Registry> {
    if (!this.#submitter) throw new Error('the publisher has not been started');
    return this.#submitter;
  }

  /** @throws when MongoDB cannot be reached or is unfit, or the port is taken; nothing stays open then. */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async error => {
      await this.stop();
      throw error;
    });
    return this.#starting;
  }

  /** Serves what has arrived, then closes everything. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** `jobs` are those that the caller may see: of its tenant, or of all for an administrator. */
  async getStats(caller?: Identity): Promise<Stats> {
    if (!this.#stats) throw new Error('the publisher has not been started');
    const stats = await this.#stats.read(caller && this.#limitsTo(caller) ? caller.tenant : null);
    return { worker: null, ...stats };
  }

  /** Ready needs MongoDB alone. */
  async healthCheck(): Promise<HealthReport> {
    const reasons: string[] = [];
    if (this.#stopping) reasons.push('the publisher is stopping');
    if (!(await this.#mongoAnswers())) reasons.push('MongoDB cannot be reached');
    return { ok: reasons.length === 0, reasons };
  }

  async #start(): Promise<void> {
    const { config } = this.#options;
    this.#ledger = await connectLedger({
      uri: config.mongo.uri,
      appName: 'ledgermq-publisher',
      deadlineMs: config.mongo.deadlineMs,
    });
    const context = createStoreContext({
      ledger: this.#ledger,
      processId: newProcessId(),
      lease: config.lease,
      retention: config.retention,
      deadlineMs: config.mongo.deadlineMs,
    });
    await migrate(context);
    const { app, services } = await this.#compose(context, this.#ledger);
    this.#app = app;
    this.#services = services;
    await startAll(services);
    this.#port = await listen(app, config.http.host, config.http.port);
    if (config.access.keys.length === 0) {
      this.#logger.warn('no API_KEYS: everybody who reaches this port may do everything');
    }
    this.#logger.info({ url: this.url, host: config.http.host, port: this.#port }, 'publisher API started');
  }

  /** The composition root: no part calls the next one, each is given it here. */
  async #compose(
    context: StoreContext,
    ledger: LedgerConnection,
  ): Promise<{ app: FastifyInstance; services: Service[] }> {
    const { config, registry } = this.#options;
    const lanes = lanesOf(registry, config.queue.lanes);
    const events = new JobEvents();
    logJobEvents(events, this.#options.logger);
    const fault = (component: string) => (error: unknown) => void events.emit('fault', { component, error });
    const redis = openRedis(config.redis, 'producer', error =>
      this.#logger.warn({ error: messageOf(error) }, 'Redis is away'),
    );
    this.#redis = redis;
    const queueManager = new QueueManager({
      redis,
      prefix: config.queue.prefix,
      queueName: config.queue.name,
      lanes,
      onError: fault('queue'),
    });
    const wakeList = new WakeList(redis, config.queue.prefix, config.queue.name);
    const wake: Wake = (lane, count) => wakeList.push(lane, count);
    const counters = new OutcomeCounters(context, fault('counters'));
    this.#counters = counters;
    this.#stats = new JobStats({ context, queueManager, ledger });
    this.#submitter = new Submitter({ context, registry, lanes, defaults: config.jobDefaults, wake });
    const app = await createApp({
      config,
      registry,
      logger: this.#options.logger,
      context,
      submitter: this.#submitter,
      counters,
      queueManager,
      wake,
      health: () => this.healthCheck(),
      getStats: caller => this.getStats(caller),
    });
    const sweeper = new Sweeper({
      context,
      ledger,
      queueManager,
      counters,
      events,
      lease: config.lease,
      wake: lane => wakeList.push(lane),
    });
    const check = new BackgroundCheck({ context, engine: queueManager, lanes, events, ...config.verify });
    return { app, services: [queueManager, sweeper, check] };
  }

  async #stop(): Promise<void> {
    await this.#app?.close();
    await stopAll(this.#services);
    await this.#counters?.idle();
    this.#redis?.disconnect();
    await this.#ledger?.close();
  }

  async #mongoAnswers(): Promise<boolean> {
    if (!this.#ledger?.isConnected()) return false;
    const ping = this.#ledger.db.admin().command({ ping: 1 });
    return withDeadline(ping, PING_MS, 'ping').then(
      () => true,
      () => false,
    );
  }

  /** Where all keys share one tenant, its numbers are those of all, which are counted in indexes alone. */
  #limitsTo(caller: Identity): boolean {
    const tenants = new Set(this.#options.config.access.keys.map(key => key.tenant));
    return tenants.size > 1 && !caller.scopes.includes('admin');
  }
}

export interface RunningPublisher<Registry extends JobRegistry> {
  readonly url: string;
  readonly port: number;
  readonly publisher: Publisher<Registry>;
  stop(): Promise<void>;
}

/** The seam for tests and other entry files: a publisher for this registry, listening. */
export async function startPublisher<Registry extends JobRegistry>(
  options: PublisherOptions<Registry>,
): Promise<RunningPublisher<Registry>> {
  const publisher = new Publisher(options);
  await publisher.start();
  return { url: publisher.url, port: publisher.port!, publisher, stop: () => publisher.stop() };
}
