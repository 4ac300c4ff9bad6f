import { randomBytes } from 'node:crypto';
import type { ProcessGuard } from '../../src/embedded/servers/process-guard.ts';
import { type Contender, costOf, measureIdle, type Reading, SETTINGS, seconds, type Throughput } from './contender.ts';
import { MeasuredProcess } from './measured-process.ts';
import type { RedisCounter } from './server-counters.ts';

export interface BullmqContenderOptions {
  redisPort: number;
  redis: RedisCounter;
  guard: ProcessGuard;
  cwd: string;
}

/** BullMQ alone, with its defaults: its producer adds jobs itself, without HTTP. */
export class BullmqContender implements Contender {
  readonly name = 'BullMQ';
  readonly #options: BullmqContenderOptions;
  readonly #queueName = `bench-${randomBytes(4).toString('hex')}`;
  #producer: MeasuredProcess | null = null;
  #worker: MeasuredProcess | null = null;
  #added = 0;
  #handled = 0;

  constructor(options: BullmqContenderOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#producer = await this.#spawn('bullmq-producer');
    await this.#startWorker();
    await this.#add(SETTINGS.warmUpJobs, 1);
    await this.#done(SETTINGS.warmUpJobs);
  }

  async submitToCompleted(jobs: number): Promise<Throughput> {
    const before = await this.#read();
    const begin = await this.#add(jobs, 1);
    await this.#done(jobs);
    const took = seconds(begin, process.hrtime.bigint());
    return { jobsPerSecond: jobs / took, ...costOf(before, await this.#read(), jobs) };
  }

  async idleLatencies(samples: number): Promise<number[]> {
    const latencies = await measureIdle(samples, this.#worker!, () => this.#add(1, 1));
    await this.#done(samples);
    return latencies;
  }

  async drain(jobs: number): Promise<Throughput> {
    await this.#worker!.stop();
    this.#worker = null;
    const before = await this.#read();
    await this.#add(jobs, SETTINGS.bulkSize);
    await this.#startWorker();
    const { firstAt, cpuAtFirstUs } = await this.#done(jobs);
    const took = seconds(BigInt(firstAt), process.hrtime.bigint());
    const after = await this.#read();
    return { jobsPerSecond: jobs / took, ...costOf({ ...before, workerCpuUs: cpuAtFirstUs }, after, jobs) };
  }

  async stop(): Promise<void> {
    await this.#worker?.stop();
    await this.#producer?.stop();
    await this.#options.redis.flush();
  }

  #spawn(entry: 'bullmq-producer' | 'bullmq-worker'): Promise<MeasuredProcess> {
    const { redisPort, guard, cwd } = this.#options;
    return MeasuredProcess.start(entry, {
      guard,
      cwd,
      env: {
        NODE_ENV: 'production',
        QUEUE_NAME: this.#queueName,
        QUEUE_PREFIX: '{bull}',
        QUEUE_REDIS_PORT: String(redisPort),
        WORKER_SIZE_JOBS: String(SETTINGS.concurrency),
      },
    });
  }

  async #startWorker(): Promise<void> {
    this.#worker = await this.#spawn('bullmq-worker');
    this.#handled = 0;
  }

  /** Answers when the producer began. */
  #add(jobs: number, bulkSize: number): Promise<bigint> {
    const from = this.#added;
    this.#added += jobs;
    const inFlight = bulkSize === 1 ? SETTINGS.submitsInFlight : 1;
    return this.#producer!.add({ from, count: jobs, inFlight, bulkSize });
  }

  #done(jobs: number): Promise<{ firstAt: string; cpuAtFirstUs: number }> {
    this.#handled += jobs;
    return this.#worker!.handled(this.#handled);
  }

  async #read(): Promise<Reading> {
    return {
      intakeCpuUs: await this.#producer!.cpuUs(),
      workerCpuUs: (await this.#worker?.cpuUs()) ?? 0,
      redis: await this.#options.redis.read(),
      mongoCommands: null,
    };
  }
}
