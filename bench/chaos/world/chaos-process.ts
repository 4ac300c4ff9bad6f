import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessGuard } from '../../../src/embedded/servers/process-guard.ts';
import { type AuditLine, parseAudit } from '../job/audit-log.ts';
import { monotonicMs } from '../monotonic.ts';
import type { ProcessRecord } from '../oracle/evidence.ts';

export interface ChaosProcessOptions {
  name: string;
  role: 'api' | 'worker';
  entry: string;
  /** Folder of audit files and logs; also the working directory, so that no .env file of the user's is read. */
  runDir: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  guard: ProcessGuard;
}

const UP = /"msg":"(worker started|publisher API is up)/;
const REBUILD = /the consumers are rebuilt/;
const HEALTH_PORT = /"healthPort":(\d+)/;
const HEAD_BYTES = 16_384;

/** One process under test. Its output goes to files: reading pipes would cost the harness a core. */
export class ChaosProcess {
  readonly name: string;
  readonly role: 'api' | 'worker';
  readonly pid: number;
  readonly startedAt = monotonicMs();
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #options: ChaosProcessOptions;
  #endedAt: number | null = null;
  #exit: ProcessRecord['exit'] = null;
  #endedBy: ProcessRecord['endedBy'] = null;

  constructor(options: ChaosProcessOptions) {
    this.#options = options;
    this.name = options.name;
    this.role = options.role;
    const [out, err] = [openSync(this.#file('log'), 'a'), openSync(this.#file('err'), 'a')];
    this.#child = spawn(process.execPath, [options.entry], {
      cwd: options.runDir,
      env: { ...options.env, CHAOS_WORKER: options.name, CHAOS_AUDIT_DIR: auditDir(options.runDir) },
      stdio: ['ignore', out, err],
    });
    closeSync(out);
    closeSync(err);
    if (this.#child.pid === undefined) throw new Error(`${options.name} could not be started`);
    this.pid = this.#child.pid;
    options.guard.watch(this.pid, 0);
    this.exited = new Promise(resolve => {
      this.#child.once('exit', (code, signal) => {
        this.#endedAt = monotonicMs();
        this.#exit = { code, signal };
        options.guard.forget(this.pid);
        resolve();
      });
    });
  }

  /** When it ended although nobody had told it to; null when it did not. */
  get fellAt(): number | null {
    return this.#endedBy === null ? this.#endedAt : null;
  }

  get isAlive(): boolean {
    return this.#exit === null;
  }

  /** Whether it has said that it is up: before, it does not know signals yet. */
  get isUp(): boolean {
    return UP.test(this.#head());
  }

  /** Where a worker serves its health, as it said itself; null before it is up. */
  get healthUrl(): string | null {
    const port = HEALTH_PORT.exec(this.#head())?.[1];
    return port === undefined ? null : `http://127.0.0.1:${port}/health`;
  }

  /** Sends SIGSTOP or SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** Ends it; for SIGKILL the ending is certain, after SIGTERM it may take its time. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.isAlive) this.#endedBy = signal;
    this.#child.kill(signal);
    return this.exited;
  }

  /** What its handlers have written so far, its isolated children's lines included. */
  audit(): AuditLine[] {
    const folder = auditDir(this.#options.runDir);
    const own = readdirSync(folder).filter(file => file.startsWith(`${this.name}-`));
    return own.flatMap(file => parseAudit(readFileSync(join(folder, file), 'utf8')));
  }

  record(): ProcessRecord {
    return {
      name: this.name,
      role: this.role,
      pid: this.pid,
      startedAt: this.startedAt,
      endedAt: this.#endedAt,
      exit: this.#exit,
      endedBy: this.#endedBy,
      alarms: this.#alarms(),
      rebuilds: this.#lines('log').filter(line => REBUILD.test(line)).length,
    };
  }

  /** The beginning of its log. */
  #head(): string {
    const head = Buffer.alloc(HEAD_BYTES);
    const file = openSync(this.#file('log'), 'r');
    try {
      return head.toString('utf8', 0, readSync(file, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(file);
    }
  }

  #file(extension: string): string {
    return join(this.#options.runDir, `${this.name}.${extension}`);
  }

  #lines(extension: string): string[] {
    return existsSync(this.#file(extension)) ? readFileSync(this.#file(extension), 'utf8').split('\n') : [];
  }

  #alarms(): string[] {
    const fatal = this.#lines('log').filter(line => line.includes('"level":"fatal"'));
    const errors = this.#lines('err').filter(line => line.trim() !== '');
    return [...fatal.slice(0, 3), ...errors.slice(0, 3)].map(line => `said: ${line.slice(0, 500)}`);
  }
}

export function auditDir(runDir: string): string {
  return join(runDir, 'audit');
}

/** Runs that have begun and not ended, by their run keys and jobs. */
export function openRuns(lines: readonly AuditLine[]): Set<string> {
  const open = new Set<string>();
  for (const line of lines) {
    if (line.event === 'start') open.add(`${line.runKey} ${line.jobId}`);
    else if (line.event === 'end') open.delete(`${line.runKey} ${line.jobId}`);
  }
  return open;
}
