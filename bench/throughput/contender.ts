import type { MeasuredProcess } from './measured-process.ts';

/** Both contenders run with these: one process that takes jobs in, one that runs them. */
export const SETTINGS = {
  /** Jobs that the worker runs at once. */
  concurrency: 50,
  /** Submits under way at once. */
  submitsInFlight: 50,
  /** Jobs of one bulk submit while the backlog is made. */
  bulkSize: 1_000,
  warmUpJobs: 1_000,
  idlePauseMs: 40,
} as const;

export interface Cost {
  /** Of the process that takes jobs in: API, or BullMQ's producer. Microseconds of CPU a job. */
  intakeCpuUs: number;
  workerCpuUs: number;
  redisCommands: number;
  redisCpuUs: number;
  /** null where there is no MongoDB. */
  mongoCommands: number | null;
}

/** What the processes and servers had used when it was read. */
export interface Reading {
  intakeCpuUs: number;
  workerCpuUs: number;
  redis: { commands: number; cpuUs: number };
  mongoCommands: number | null;
}

/** Costs are a job's. */
export interface Throughput extends Cost {
  jobsPerSecond: number;
}

export interface Contender {
  readonly name: 'LedgerMQ' | 'BullMQ';
  /** Starts both processes and warms them up. */
  start(): Promise<void>;
  /** Submits one by one while the worker runs; until the last one is completed. */
  submitToCompleted(jobs: number): Promise<Throughput>;
  /** Milliseconds from submit to the handler's start, one job at a time. */
  idleLatencies(samples: number): Promise<number[]>;
  /** Makes a backlog in bulk without a worker, then starts one; from its first job to the last one completed. */
  drain(jobs: number): Promise<Throughput>;
  stop(): Promise<void>;
}

/** What a job cost between two readings. */
export function costOf(before: Reading, after: Reading, jobs: number): Cost {
  const { mongoCommands } = after;
  return {
    intakeCpuUs: (after.intakeCpuUs - before.intakeCpuUs) / jobs,
    workerCpuUs: (after.workerCpuUs - before.workerCpuUs) / jobs,
    redisCommands: (after.redis.commands - before.redis.commands) / jobs,
    redisCpuUs: (after.redis.cpuUs - before.redis.cpuUs) / jobs,
    mongoCommands: mongoCommands === null ? null : (mongoCommands - (before.mongoCommands ?? 0)) / jobs,
  };
}

/** One job at a time: `submit` answers when it began, the worker when it started. */
export async function measureIdle(
  samples: number,
  worker: MeasuredProcess,
  submit: () => Promise<bigint>,
): Promise<number[]> {
  worker.trace();
  const latencies: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    await pause(SETTINGS.idlePauseMs);
    const started = worker.nextStart();
    const begin = await submit();
    latencies.push(seconds(begin, await started) * 1_000);
  }
  return latencies;
}

export const seconds = (from: bigint, to: bigint): number => Number(to - from) / 1e9;

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
