import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { LedgerError } from '../../platform/errors.ts';
import type { DataDir } from './data-dir.ts';
import type { ProcessGuard } from './process-guard.ts';
import { identify } from './process-identity.ts';

export interface ServerProcessOptions {
  /** Names the record file and error texts: `redis`, `mongo`. */
  name: string;
  command: string;
  args: readonly string[];
  /** A line of output that says that it serves. */
  ready: RegExp;
  readyTimeoutMs?: number;
  /** How long it may take to end by itself before it is killed. */
  graceMs?: number;
  guard: ProcessGuard;
  dataDir: DataDir;
}

const TAIL_CHARACTERS = 4_000;

/** A server that runs as a child: started, watched by the guard, on record in its data folder, stopped. */
export class ServerProcess {
  readonly pid: number;
  /** Resolves when the process is gone, whoever ended it. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #options: ServerProcessOptions;
  readonly #graceMs: number;
  #tail = '';
  #readyLine = '';

  private constructor(child: ChildProcess, pid: number, options: ServerProcessOptions) {
    this.pid = pid;
    this.#child = child;
    this.#options = options;
    this.#graceMs = options.graceMs ?? 5_000;
    const { guard, dataDir, name } = options;
    guard.watch(pid, this.#graceMs);
    const identity = identify(pid);
    if (identity) dataDir.record(name, identity);
    child.on('error', () => undefined);
    this.exited = new Promise(resolve => {
      child.once('close', () => {
        guard.forget(pid);
        dataDir.unrecord(name);
        resolve();
      });
    });
  }

  /** @throws LedgerError `server-failed` with the end of its output when it ends or stays silent before it is ready. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    // Detached: a Ctrl-C in the terminal must not end the servers before the workers have drained.
    const child = spawn(options.command, options.args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    if (child.pid === undefined) {
      const [error] = (await once(child, 'error')) as [Error];
      throw new LedgerError('server-failed', `${options.name} did not start: ${error.message}`, { cause: error });
    }
    const server = new ServerProcess(child, child.pid, options);
    try {
      await server.#ready();
    } catch (error) {
      await server.kill('SIGKILL');
      throw error;
    }
    return server;
  }

  /** The text that said that it serves. */
  get readyLine(): string {
    return this.#readyLine;
  }

  /** Sends a signal; SIGKILL and SIGTERM resolve when the process is gone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await this.exited;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    this.#child.kill('SIGCONT');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  #ready(): Promise<void> {
    const { name, ready, readyTimeoutMs = 20_000 } = this.#options;
    return new Promise((resolve, reject) => {
      const fail = (what: string) => () =>
        reject(new LedgerError('server-failed', `${name} ${what}. Its last words:\n${this.#tail.trim()}`));
      const timer = setTimeout(fail(`was not ready after ${readyTimeoutMs} ms`), readyTimeoutMs);
      const settle = (settled: () => void) => () => {
        clearTimeout(timer);
        settled();
      };
      const gone = settle(fail('ended before it was ready'));
      this.#child.once('close', gone);
      // The output is read to its end: a full pipe would stop the server.
      const read = (chunk: string) => {
        this.#tail = (this.#tail + chunk).slice(-TAIL_CHARACTERS);
        // Whole lines only: half an address is none.
        const line = this.#tail.slice(0, this.#tail.lastIndexOf('\n') + 1);
        if (this.#readyLine || !ready.test(line)) return;
        this.#readyLine = line;
        this.#child.off('close', gone);
        settle(resolve)();
      };
      this.#child.stdout?.setEncoding('utf8').on('data', read);
      this.#child.stderr?.setEncoding('utf8').on('data', read);
    });
  }
}
