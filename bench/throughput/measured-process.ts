import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ProcessGuard } from '../../src/embedded/servers/process-guard.ts';
import type { Answer, Handled, Question } from './meter.ts';

type AnswerOf<Kind extends Answer['kind']> = Extract<Answer, { kind: Kind }>;

const STOP_MS = 15_000;

/** A process under measurement, as the bench sees it. */
export class MeasuredProcess {
  readonly #child: ChildProcess;
  readonly #answers = new EventEmitter();
  readonly #closed: Promise<unknown>;
  #output = '';

  private constructor(child: ChildProcess, guard: ProcessGuard) {
    this.#child = child;
    guard.watch(child.pid!, 0);
    child.on('message', (answer: Answer) => void this.#answers.emit(answer.kind, answer));
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-4_000);
      });
    }
    this.#closed = once(child, 'close').then(() => {
      guard.forget(child.pid!);
      this.#answers.emit('error', new Error(`a measured process ended:\n${this.#output}`));
    });
    this.#answers.on('error', () => undefined);
  }

  /** `entry` is the name of a file in `entries/`. Resolves when the process can be asked. */
  static async start(
    entry: 'ledger' | 'bullmq-worker' | 'bullmq-producer',
    options: { env: Readonly<Record<string, string>>; cwd: string; guard: ProcessGuard },
  ): Promise<MeasuredProcess> {
    const child = fork(fileURLToPath(new URL(`./entries/${entry}.js`, import.meta.url)), [], {
      cwd: options.cwd,
      env: options.env,
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const started = new MeasuredProcess(child, options.guard);
    await started.#next('ready');
    return started;
  }

  /** Microseconds of CPU that it has used so far. */
  async cpuUs(): Promise<number> {
    return (await this.#ask({ ask: 'cpu' }, 'cpu')).cpuUs;
  }

  /** Resolves once it has handled `count` jobs since its start. */
  handled(count: number): Promise<Handled> {
    return this.#ask({ ask: 'handled', count }, 'handled');
  }

  /** From now on it tells each start of a job. */
  trace(): void {
    this.#child.send({ ask: 'trace' } satisfies Question);
  }

  /** The next start that it tells, in nanoseconds. */
  async nextStart(): Promise<bigint> {
    return BigInt((await this.#next('started')).at);
  }

  /** A producer: adds jobs numbered from `from`. Answers when it began, in nanoseconds. */
  async add(order: { from: number; count: number; inFlight: number; bulkSize: number }): Promise<bigint> {
    return BigInt((await this.#ask({ ask: 'add', ...order }, 'added')).startedAt);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#closed;
    clearTimeout(timer);
  }

  #ask<Kind extends Answer['kind']>(question: Question, kind: Kind): Promise<AnswerOf<Kind>> {
    const answer = this.#next(kind);
    this.#child.send(question);
    return answer;
  }

  /** @throws Error with the end of its output when the process ends first */
  async #next<Kind extends Answer['kind']>(kind: Kind): Promise<AnswerOf<Kind>> {
    const [answer] = (await once(this.#answers, kind)) as [AnswerOf<Kind>];
    return answer;
  }
}
