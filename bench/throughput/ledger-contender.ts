import { randomBytes } from 'node:crypto';
import { freePort } from '../../src/embedded/servers/free-port.ts';
import type { ProcessGuard } from '../../src/embedded/servers/process-guard.ts';
import {
  type Contender,
  costOf,
  measureIdle,
  pause,
  type Reading,
  SETTINGS,
  seconds,
  type Throughput,
} from './contender.ts';
import { HttpPoster } from './http-poster.ts';
import { inParallel } from './in-parallel.ts';
import { MeasuredProcess } from './measured-process.ts';
import { LedgerProbe, type RedisCounter } from './server-counters.ts';

export interface LedgerContenderOptions {
  /** What LedgerMQ needs in its environment to use the servers. */
  environment: Readonly<Record<string, string>>;
  /** Connection string with a database of its own; dropped at the end. */
  mongoUri: string;
  redis: RedisCounter;
  guard: ProcessGuard;
  cwd: string;
}

/** LedgerMQ: jobs come in over HTTP. */
export class LedgerContender implements Contender {
  readonly name = 'LedgerMQ';
  readonly #options: LedgerContenderOptions;
  readonly #key = randomBytes(24).toString('base64url');
  #api: MeasuredProcess | null = null;
  #worker: MeasuredProcess | null = null;
  #probe: LedgerProbe | null = null;
  #http: HttpPoster | null = null;
  #submitted = 0;
  /** Jobs that the worker process of now has handled, once all are done. */
  #handled = 0;

  constructor(options: LedgerContenderOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#probe = await LedgerProbe.connect(this.#options.mongoUri);
    const port = await freePort();
    this.#api = await this.#spawn({ PORT: String(port) });
    await healthy(port);
    this.#http = new HttpPoster(port, this.#key, SETTINGS.submitsInFlight);
    await healthy(await this.#startWorker());
    await this.#submitEach(SETTINGS.warmUpJobs);
    await this.#done(SETTINGS.warmUpJobs);
  }

  async submitToCompleted(jobs: number): Promise<Throughput> {
    const before = await this.#read();
    const begin = process.hrtime.bigint();
    await this.#submitEach(jobs);
    await this.#done(jobs);
    const took = seconds(begin, process.hrtime.bigint());
    const cost = costOf(before, await this.#read(), jobs);
    await this.#probe!.mustHaveCompleted(this.#submitted);
    return { jobsPerSecond: jobs / took, ...cost };
  }

  async idleLatencies(samples: number): Promise<number[]> {
    const latencies = await measureIdle(samples, this.#worker!, async () => {
      const begin = process.hrtime.bigint();
      await this.#submitEach(1);
      return begin;
    });
    await this.#done(samples);
    return latencies;
  }

  async drain(jobs: number): Promise<Throughput> {
    await this.#worker!.stop();
    this.#worker = null;
    const before = await this.#read();
    await this.#submitBulk(jobs);
    await this.#startWorker();
    const { firstAt, cpuAtFirstUs } = await this.#done(jobs);
    const took = seconds(BigInt(firstAt), process.hrtime.bigint());
    const after = await this.#read();
    await this.#probe!.mustHaveCompleted(this.#submitted);
    return { jobsPerSecond: jobs / took, ...costOf({ ...before, workerCpuUs: cpuAtFirstUs }, after, jobs) };
  }

  async stop(): Promise<void> {
    await this.#worker?.stop();
    await this.#api?.stop();
    this.#http?.close();
    await this.#probe?.close();
    await this.#options.redis.flush();
  }

  #spawn(env: Record<string, string>): Promise<MeasuredProcess> {
    const { environment, mongoUri, guard, cwd } = this.#options;
    const keys = [{ name: 'bench', key: this.#key, tenant: 'default', scopes: ['submit', 'read'] }];
    return MeasuredProcess.start('ledger', {
      guard,
      cwd,
      env: {
        ...environment,
        MONGO_URI: mongoUri,
        NODE_ENV: 'production',
        LOG_LEVEL: 'warn',
        HOST: '127.0.0.1',
        API_KEYS: JSON.stringify(keys),
        RATE_LIMIT_PER_SECOND: '0',
        WORKER_SIZE_JOBS: String(SETTINGS.concurrency),
        BATCH_SIZE_JOBS: '100',
        ...env,
      },
    });
  }

  /** Answers the port of its health. */
  async #startWorker(): Promise<number> {
    const port = await freePort();
    this.#worker = await this.#spawn({ WORKER_MODE: 'true', HEALTH_PORT: String(port) });
    this.#handled = 0;
    return port;
  }

  #submitEach(jobs: number): Promise<void> {
    const from = this.#submitted;
    this.#submitted += jobs;
    return inParallel(jobs, SETTINGS.submitsInFlight, n => this.#http!.post('/v1/jobs', noop(from + n)));
  }

  #submitBulk(jobs: number): Promise<void> {
    const from = this.#submitted;
    this.#submitted += jobs;
    return inParallel(Math.ceil(jobs / SETTINGS.bulkSize), 1, batch => {
      const first = from + batch * SETTINGS.bulkSize;
      const size = Math.min(SETTINGS.bulkSize, from + jobs - first);
      return this.#http!.post('/v1/jobs/bulk', { jobs: Array.from({ length: size }, (_, n) => noop(first + n)) });
    });
  }

  /** Resolves when so many more jobs were handled and their outcomes are in the ledger. */
  async #done(jobs: number): Promise<{ firstAt: string; cpuAtFirstUs: number }> {
    this.#handled += jobs;
    const handled = await this.#worker!.handled(this.#handled);
    await this.#probe!.recorded();
    return handled;
  }

  async #read(): Promise<Reading> {
    return {
      intakeCpuUs: await this.#api!.cpuUs(),
      workerCpuUs: (await this.#worker?.cpuUs()) ?? 0,
      redis: await this.#options.redis.read(),
      mongoCommands: await this.#probe!.commands(),
    };
  }
}

function noop(n: number): object {
  return { type: 'bench:noop', payload: { n } };
}

/** @throws Error when it is not healthy within half a minute */
async function healthy(port: number): Promise<void> {
  const end = performance.now() + 30_000;
  for (;;) {
    const ok = await fetch(`http://127.0.0.1:${port}/health`).then(
      response => response.ok,
      () => false,
    );
    if (ok) return;
    if (performance.now() > end) throw new Error(`nothing healthy on port ${port}`);
    await pause(20);
  }
}
