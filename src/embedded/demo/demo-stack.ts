import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { readServerSettings } from '../../config/server-settings.ts';
import type { Logger } from '../../platform/logger.ts';
import { freePort } from '../servers/free-port.ts';
import { ProcessGuard } from '../servers/process-guard.ts';
import { type Servers, startServers } from '../servers/start-servers.ts';
import { AppProcess } from './app-process.ts';
import { DemoSite } from './demo-site.ts';
import { MailServer } from './mail-server.ts';

export interface DemoStackOptions {
  environment: Readonly<Record<string, string | undefined>>;
  dataDir: string;
  log: Pick<Logger, 'info' | 'warn'>;
  /** Gets every line that the API and the workers log; null leaves them to the files. */
  onLine: ((name: string, line: string) => void) | null;
}

const WORKERS = 2;
const DATABASE = 'ledgermq_demo';
/** Beside a ledger and an engine that somebody configured, the demo keeps to names of its own. */
const PREFIX_IN_CONFIGURED_REDIS = '{ledger-demo}';

/** Everything the demo runs: servers, API, two workers, a mail server and a web site. */
export class DemoStack {
  readonly #options: DemoStackOptions;
  readonly #running: { stop(): Promise<void> }[] = [];
  readonly #apps: AppProcess[] = [];
  readonly #mail = new MailServer();
  readonly #site = new DemoSite();
  #servers = '';
  #apiUrl = '';
  #workerUrls: string[] = [];
  #stopping: Promise<void> | null = null;

  constructor(options: DemoStackOptions) {
    this.#options = options;
  }

  /** Which servers run, in one line. */
  get servers(): string {
    return this.#servers;
  }

  get apiUrl(): string {
    return this.#apiUrl;
  }

  get workerUrls(): readonly string[] {
    return this.#workerUrls;
  }

  get siteUrl(): string {
    return `http://${this.#site.host}`;
  }

  get mailsReceived(): number {
    return this.#mail.received;
  }

  get logFolder(): string {
    return join(this.#options.dataDir, 'logs');
  }

  /** Folder of the tenant `default`. */
  get filesFolder(): string {
    return join(this.#options.dataDir, 'files', 'default');
  }

  /** Resolves with a text for people when the API or a worker ended by itself. */
  get died(): Promise<string> {
    return Promise.race(this.#apps.map(app => app.died));
  }

  /** @throws LedgerError; what was started by then is stopped by `stop()`. */
  async start(): Promise<void> {
    await mkdir(this.logFolder, { recursive: true });
    const { environment, dataDir, log } = this.#options;
    const config = readServerSettings(environment);
    const servers = await startServers({ mode: 'demo', dataDir, config, log });
    this.#running.push(servers);
    this.#servers = servers.describe();
    const guard = new ProcessGuard();
    await this.#startService(guard);
    await this.#startService(this.#mail);
    await this.#startService(this.#site);
    await this.#startApps(guard, this.#environmentFor(servers));
  }

  /** The latest first: the API and the workers need the servers to end in peace. May be called again. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await Promise.all(this.#apps.map(app => app.stop()));
      for (const service of this.#running.reverse()) await service.stop();
    })();
    return this.#stopping;
  }

  async #startService(service: { start(): Promise<void>; stop(): Promise<void> }): Promise<void> {
    await service.start();
    this.#running.push(service);
  }

  async #startApps(guard: ProcessGuard, env: Record<string, string>): Promise<void> {
    const port = await portNear(3002);
    this.#apiUrl = `http://127.0.0.1:${port}`;
    const health = [`${this.#apiUrl}/health`];
    this.#spawn(guard, 'api', { ...env, PORT: String(port) });
    for (let n = 1; n <= WORKERS; n += 1) {
      const healthPort = await portNear(3002 + n);
      this.#workerUrls.push(`http://127.0.0.1:${healthPort}`);
      health.push(`http://127.0.0.1:${healthPort}/health`);
      this.#spawn(guard, `worker-${n}`, { ...env, WORKER_MODE: 'true', HEALTH_PORT: String(healthPort) });
    }
    await Promise.all(this.#apps.map((app, n) => app.ready(health[n]!)));
  }

  #spawn(guard: ProcessGuard, name: string, env: Record<string, string>): void {
    const { onLine, dataDir } = this.#options;
    const app = new AppProcess({
      name,
      env,
      guard,
      cwd: dataDir,
      logFile: join(this.logFolder, `${name}.log`),
      onLine: onLine && (line => onLine(name, line)),
    });
    this.#apps.push(app);
  }

  #environmentFor(servers: Servers): Record<string, string> {
    const environment = servers.environment();
    const { PATH = '', HOME = '' } = this.#options.environment;
    return {
      PATH,
      HOME,
      ...environment,
      MONGO_URI: withDatabase(environment.MONGO_URI!, DATABASE),
      ...(servers.redis.kind === 'configured' ? { QUEUE_PREFIX: PREFIX_IN_CONFIGURED_REDIS } : {}),
      NODE_ENV: 'development',
      HOST: '127.0.0.1',
      RATE_LIMIT_PER_SECOND: '0',
      DRAIN_DEADLINE_MS: '5000',
      SMTP_URL: this.#mail.url,
      SMTP_FROM: 'LedgerMQ demo <demo@example.com>',
      WEBHOOK_ALLOW_HOSTS: this.#site.host,
      FILES_DIR: resolve(this.#options.dataDir, 'files'),
      EXPORT_COLLECTIONS: 'notifications',
    };
  }
}

function withDatabase(uri: string, name: string): string {
  const [, base, query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri) ?? [];
  return base ? `${base}/${name}${query}` : uri;
}

/** The port that people expect when it is free, else any. */
async function portNear(wanted: number): Promise<number> {
  const isFree = await new Promise<boolean>(answer => {
    const probe = createServer();
    probe.once('error', () => answer(false));
    probe.listen(wanted, '127.0.0.1', () => probe.close(() => answer(true)));
  });
  return isFree ? wanted : freePort();
}
