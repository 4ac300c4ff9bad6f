import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { builtPath, repositoryDir } from './build.ts';
import { sharedGuard } from './servers.ts';

/** One line of standard output; `log` is its JSON, `{}` when it is none. */
export interface OutputLine {
  text: string;
  log: Readonly<Record<string, unknown>>;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface SpawnOptions {
  /** The whole environment beside PATH and HOME: nothing else of this process leaks in. */
  env?: Readonly<Record<string, string>>;
  args?: readonly string[];
  execArgv?: readonly string[];
  cwd?: string;
}

const running = new Set<NodeProcess>();

/** A Node process under test, its output kept line by line. */
export class NodeProcess {
  readonly pid: number;
  readonly exit: Promise<Exit>;
  readonly lines: OutputLine[] = [];
  stderr = '';
  readonly #entry: string;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #hasExited = false;

  constructor(child: ChildProcess, entry: string) {
    if (child.pid === undefined || !child.stdout || !child.stderr) throw new Error(`${entry} did not start`);
    this.#child = child;
    this.#entry = entry;
    this.pid = child.pid;
    createInterface({ input: child.stdout }).on('line', text => {
      this.lines.push({ text, log: parseLog(text) });
      this.#notify();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-64_000);
    });
    this.exit = new Promise(resolve => {
      child.once('close', (code, signal) => {
        this.#hasExited = true;
        running.delete(this);
        resolve({ code, signal });
        this.#notify();
      });
    });
    running.add(this);
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** Log entries so far that match. */
  logs(predicate: (log: OutputLine['log']) => boolean = () => true): OutputLine['log'][] {
    return this.lines.filter(line => predicate(line.log)).map(line => line.log);
  }

  /**
   * The first line, past ones included (from index `from` on), that matches.
   * @throws Error with the end of the output when the process ends or the time is up before.
   */
  waitForLine(
    predicate: (line: OutputLine) => boolean,
    timeoutMs = 30_000,
    { from = 0, what = 'a line' }: { from?: number; what?: string } = {},
  ): Promise<OutputLine> {
    return new Promise((resolve, reject) => {
      let next = from;
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        settle();
      };
      const fail = (why: string) =>
        finish(() => reject(new Error(`${this.#entry} ${why} before ${what}\n${this.tail()}`)));
      const look = () => {
        for (; next < this.lines.length; next += 1) {
          const line = this.lines[next]!;
          if (predicate(line)) return finish(() => resolve(line));
        }
        if (this.#hasExited) fail('ended');
      };
      const timer = setTimeout(() => fail(`said nothing for ${timeoutMs} ms`), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Sends a signal and, unless it only stops or wakes the process, resolves with its exit. */
  kill(signal: NodeJS.Signals): Promise<Exit | null> {
    this.#child.kill(signal);
    return signal === 'SIGSTOP' || signal === 'SIGCONT' ? Promise.resolve(null) : this.exit;
  }

  /** The end of its output, for error messages. */
  tail(): string {
    const out = this.lines.slice(-15).map(line => line.text);
    return `--- stdout\n${out.join('\n')}\n--- stderr\n${this.stderr.slice(-3_000)}`;
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** Starts a compiled entry (`spawnNode('src/main.js')`, `'test/entries/worker.js'`) under plain Node. It dies with this process. */
export async function spawnNode(entry: string, options: SpawnOptions = {}): Promise<NodeProcess> {
  const guard = await sharedGuard();
  const child = spawn(process.execPath, [...(options.execArgv ?? []), builtPath(entry), ...(options.args ?? [])], {
    cwd: options.cwd ?? repositoryDir,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const node = new NodeProcess(child, entry);
  guard.watch(node.pid, 0);
  void node.exit.then(() => guard.forget(node.pid));
  return node;
}

/** Ends every process that is still there; for the end of a test file. */
export async function sweepProcesses(): Promise<void> {
  await Promise.all([...running].map(node => node.kill('SIGKILL')));
}

function parseLog(text: string): OutputLine['log'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as OutputLine['log']) : {};
  } catch {
    return {};
  }
}
