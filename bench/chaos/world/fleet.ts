import { freePort } from '../../../src/embedded/servers/free-port.ts';
import type { ProcessGuard } from '../../../src/embedded/servers/process-guard.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { ProcessRecord } from '../oracle/evidence.ts';
import { ChaosProcess } from './chaos-process.ts';

export interface FleetOptions {
  entry: string;
  runDir: string;
  guard: ProcessGuard;
  /** Environment of every process. */
  env: Readonly<Record<string, string>>;
}

const API_STARTS = 3;
const API_READY_MS = 20_000;
const AT_WORK_MS = 1_000;
const TERM_MS = 15_000;
/** A process that still starts when the round ends gets so long to do so. */
const UP_MS = 30_000;

/** The processes of a round: one API, and workers that come and go. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #all: ChaosProcess[] = [];
  readonly #spared = new Set<ChaosProcess>();
  #api: { process: ChaosProcess; url: string } | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get apiUrl(): string {
    if (!this.#api) throw new Error('the API has not been started');
    return this.#api.url;
  }

  /** Workers that are alive, stopped ones included. */
  get workers(): ChaosProcess[] {
    return this.#all.filter(process => process.role === 'worker' && process.isAlive);
  }

  /**
   * Workers that faults may hit now: alive, not spared, and at work for as long as their start took, a second at least. Any
   * sooner, a slow machine would do nothing but start workers.
   */
  get targets(): ChaosProcess[] {
    return this.workers.filter(worker => !this.#spared.has(worker) && isAtWork(worker));
  }

  /** Keeps other faults away from a worker while `during` runs. */
  async spare<T>(worker: ChaosProcess, during: () => Promise<T>): Promise<T> {
    this.#spared.add(worker);
    try {
      return await during();
    } finally {
      this.#spared.delete(worker);
    }
  }

  startWorker(): ChaosProcess {
    const number = this.#all.filter(process => process.role === 'worker').length + 1;
    return this.#start(`worker${number}`, 'worker', { WORKER_MODE: 'true' });
  }

  /** Resolves when it answers. The port was free a moment ago; should somebody else take it, another one is tried. */
  async startApi(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const api = this.#start(`api${attempt}`, 'api', { PORT: String(port) });
      const url = `http://127.0.0.1:${port}`;
      if (await isReady(api, url)) {
        this.#api = { process: api, url };
        return;
      }
      if (api.isAlive || attempt === API_STARTS) {
        await api.end('SIGKILL');
        throw new Error(`the API did not start: ${api.record().alarms.join('; ') || `see ${api.name}.log`}`);
      }
      this.#all.pop();
    }
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
  const ended = process.end('SIGTERM').then(() => true);
  if (await Promise.race([ended, pause(TERM_MS).then(() => false)])) return;
  await process.end('SIGKILL');
}
