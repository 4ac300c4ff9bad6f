import { freePort } from '../../../src/embedded/servers/free-port.ts';
import type { ProcessGuard } from '../../../src/embedded/servers/process-guard.ts';
import { settlesWithin } from '../../../src/worker/drain.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { ProcessRecord } from '../oracle/evidence.ts';
import { ChaosProcess } from './chaos-process.ts';

export interface FleetOptions {
  entry: string;
  runDir: string;
  guard: ProcessGuard;
  /** Environment of every process. */
  env: Readonly<Record<string, string>>;
  /** More of it for the worker that is started as the nth (1, 2, …). */
  workerEnv?: (number: number) => Readonly<Record<string, string>>;
}

/** An API process and where it answers. */
export interface ApiProcess {
  process: ChaosProcess;
  url: string;
}

const API_STARTS = 3;
/** Long: a machine that serves others as well may need half a minute for what takes it a second. */
const API_READY_MS = 60_000;
const AT_WORK_MS = 1_000;
const TERM_MS = 15_000;
/** A process that still starts when the round ends gets so long to do so. */
const UP_MS = 30_000;

/** The processes of a round: APIs and workers that come and go. */
export class Fleet {
  readonly #options: FleetOptions;
  #all: ChaosProcess[] = [];
  readonly #spared = new Set<ChaosProcess>();
  #apis: ApiProcess[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** APIs that have been ready and are alive, in the order of their starts. */
  get apis(): readonly ApiProcess[] {
    return this.#apis.filter(api => api.process.isAlive);
  }

  /** Where clients find an API: those that live, else the ones of late. */
  get apiUrls(): string[] {
    const known = this.apis.length > 0 ? this.apis : this.#apis.slice(-1);
    return known.map(api => api.url);
  }

  /** Workers that are alive, stopped ones included. */
  get workers(): ChaosProcess[] {
    return this.#all.filter(process => process.role === 'worker' && process.isAlive);
  }

  /** Workers that ended although nobody had told them to. */
  get fallen(): ChaosProcess[] {
    return this.#all.filter(process => process.role === 'worker' && process.fellAt !== null);
  }

  /**
   * Workers that faults may hit now: alive, not spared, and at work for as long as their start took, a second at least. Any
   * sooner, a slow machine would do nothing but start workers.
   */
  get targets(): ChaosProcess[] {
    return this.workers.filter(worker => !this.#spared.has(worker) && isAtWork(worker));
  }

  /** Keeps other faults away from a process while `during` runs. */
  async spare<T>(process: ChaosProcess, during: () => Promise<T>): Promise<T> {
    this.#spared.add(process);
    try {
      return await during();
    } finally {
      this.#spared.delete(process);
    }
  }

  /** Whether other faults are to leave it alone now. */
  isSpared(process: ChaosProcess): boolean {
    return this.#spared.has(process);
  }

  startWorker(): ChaosProcess {
    const number = this.#all.filter(process => process.role === 'worker').length + 1;
    return this.#start(`worker${number}`, 'worker', { WORKER_MODE: 'true', ...this.#options.workerEnv?.(number) });
  }

  /** Resolves when it answers. Unless one is given, the port was free a moment ago; should it be taken, another one is tried. */
  async startApi(fixedPort?: number): Promise<ApiProcess> {
    for (let attempt = 1; ; attempt += 1) {
      const port = fixedPort ?? (await freePort());
      const number = this.#all.filter(process => process.role === 'api').length + 1;
      const process = this.#start(`api${number}`, 'api', { PORT: String(port) });
      const api = { process, url: `http://127.0.0.1:${port}` };
      if (await isReady(process, api.url)) {
        this.#apis.push(api);
        return api;
      }
      if (process.isAlive || attempt === API_STARTS) {
        await process.end('SIGKILL');
        throw new Error(`the API did not start: ${process.record().alarms.join('; ') || `see ${process.name}.log`}`);
      }
      this.#all = this.#all.filter(other => other !== process);
    }
  }

  /** Resolves when every process that is alive has said that it is up, after half a minute whatever they say. */
  async up(signal: AbortSignal): Promise<void> {
    const end = performance.now() + UP_MS;
    const starts = () => this.#all.some(process => process.isAlive && !process.isUp);
    while (starts() && !signal.aborted && performance.now() < end) await pause(50, signal);
  }

  /** Ends everything: politely, then for good. What did not go by itself is on record. */
  async stop(): Promise<void> {
    await Promise.all(this.#all.filter(process => process.isAlive).map(endGently));
  }

  records(): ProcessRecord[] {
    return this.#all.map(process => process.record());
  }

  #start(name: string, role: 'api' | 'worker', env: Record<string, string>): ChaosProcess {
    const started = new ChaosProcess({ ...this.#options, name, role, env: { ...this.#options.env, ...env } });
    this.#all.push(started);
    return started;
  }
}

function isAtWork(worker: ChaosProcess): boolean {
  const firstRun = worker.audit()[0]?.at;
  if (firstRun === undefined) return false;
  return monotonicMs() - firstRun >= Math.max(AT_WORK_MS, firstRun - worker.startedAt);
}

async function isReady(api: ChaosProcess, url: string): Promise<boolean> {
  const end = performance.now() + API_READY_MS;
  while (api.isAlive && performance.now() < end) {
    const answer = await fetch(`${url}/health/ready`).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.status === 200) return true;
    await pause(50);
  }
  return false;
}

async function endGently(process: ChaosProcess): Promise<void> {
  process.signal('SIGCONT');
  const upBy = performance.now() + UP_MS;
  while (process.isAlive && !process.isUp && performance.now() < upBy) await pause(50);
  if (!(await settlesWithin(process.end('SIGTERM'), TERM_MS))) await process.end('SIGKILL');
}
