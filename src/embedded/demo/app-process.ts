import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LedgerError } from '../../platform/errors.ts';
import type { ProcessGuard } from '../servers/process-guard.ts';

export interface AppProcessOptions {
  /** `api`, `worker-1` */
  name: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  /** Working folder: no environment file of the user's is read from it. */
  cwd: string;
  logFile: string;
  guard: ProcessGuard;
  /** Gets every line that the process logs. */
  onLine: ((line: string) => void) | null;
}

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));
const STOP_MS = 10_000;
/** After a crash of the demo nobody waits for its processes: their leases run out, the next demo finds the jobs. */
const ORPHAN_MS = 1_000;
const TAIL_LINES = 12;

/** A LedgerMQ process of the demo, its log in a file. It dies with the demo, however that ends. */
export class AppProcess {
  readonly name: string;
  /** Resolves with a text for people when it ended though nobody asked it to. */
  readonly died: Promise<string>;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #tail: string[] = [];
  #isStopping = false;

  constructor(options: AppProcessOptions) {
    this.name = options.name;
    // Detached: Ctrl-C must reach the demo alone, which then stops workers before servers.
    this.#child = spawn(process.execPath, [MAIN], {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const { pid } = this.#child;
    if (pid !== undefined) options.guard.watch(pid, ORPHAN_MS);
    const log = createWriteStream(options.logFile);
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', line => {
        log.write(`${line}\n`);
        this.#tail.push(line);
        if (this.#tail.length > TAIL_LINES) this.#tail.shift();
        options.onLine?.(line);
      });
    }
    let ended = '';
    this.#child.on('error', error => {
      ended = error.message;
    });
    this.#closed = new Promise(resolve => {
      this.#child.once('close', (code, signal) => {
        ended ||= signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
        if (pid !== undefined) options.guard.forget(pid);
        log.end(resolve);
      });
    });
    this.died = new Promise(resolve => {
      void this.#closed.then(() => {
        if (!this.#isStopping) resolve(`${this.name} ${ended}. Its last lines:\n${this.#tail.join('\n')}`);
      });
    });
  }

  /** Waits until its `/health` answers 200. @throws LedgerError `server-failed` */
  async ready(healthUrl: string, timeoutMs = 30_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    let died: string | null = null;
    void this.died.then(why => {
      died = why;
    });
    while (!(await answers(healthUrl))) {
      if (died !== null) throw new LedgerError('server-failed', died);
      if (performance.now() > end) {
        throw new LedgerError(
          'server-failed',
          `${this.name} was not ready after ${timeoutMs} ms:\n${this.#tail.join('\n')}`,
        );
      }
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#closed;
    clearTimeout(timer);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}
