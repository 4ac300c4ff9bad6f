/** What the bench asks a process that it measures. */
export type Question =
  | { ask: 'cpu' }
  /** Answered once this many jobs have been handled since the process started. */
  | { ask: 'handled'; count: number }
  /** From now on every start of a job is told. */
  | { ask: 'trace' }
  | { ask: 'add'; from: number; count: number; inFlight: number; bulkSize: number };

export interface Handled {
  /** Of the first job, on the system's monotonic clock, in nanoseconds. */
  firstAt: string;
  /** Microseconds of CPU, user and system, that the process had used at its first job. */
  cpuAtFirstUs: number;
  cpuUs: number;
}

export type Answer =
  | { kind: 'ready' }
  | { kind: 'cpu'; cpuUs: number }
  | ({ kind: 'handled' } & Handled)
  | { kind: 'started'; n: number; at: string }
  | { kind: 'added'; startedAt: string };

/** The measured process's side: counts its jobs and answers the bench. It ends with the bench. */
export class Meter {
  #handled = 0;
  #first: { at: string; cpuUs: number } | null = null;
  #target = Number.POSITIVE_INFINITY;
  #traces = false;
  readonly #add: ((order: Extract<Question, { ask: 'add' }>) => Promise<void>) | null;

  constructor(add: ((order: Extract<Question, { ask: 'add' }>) => Promise<void>) | null = null) {
    this.#add = add;
  }

  /** To be called before anything slow, so that no question is missed. */
  listen(): void {
    process.on('message', (question: Question) => this.#answer(question));
    process.once('disconnect', () => process.exit(1));
    send({ kind: 'ready' });
  }

  started(n: number): void {
    this.#first ??= { at: now(), cpuUs: cpuUs() };
    if (this.#traces) send({ kind: 'started', n, at: now() });
  }

  ended(): void {
    this.#handled += 1;
    if (this.#handled >= this.#target) this.#tellHandled();
  }

  #answer(question: Question): void {
    switch (question.ask) {
      case 'cpu':
        send({ kind: 'cpu', cpuUs: cpuUs() });
        return;
      case 'trace':
        this.#traces = true;
        return;
      case 'handled':
        this.#target = question.count;
        if (this.#handled >= this.#target) this.#tellHandled();
        return;
      case 'add': {
        const startedAt = now();
        void this.#add?.(question).then(() => send({ kind: 'added', startedAt }));
      }
    }
  }

  #tellHandled(): void {
    this.#target = Number.POSITIVE_INFINITY;
    send({ kind: 'handled', firstAt: this.#first!.at, cpuAtFirstUs: this.#first!.cpuUs, cpuUs: cpuUs() });
  }
}

/** Nanoseconds on the clock that all processes of the machine share. */
function now(): string {
  return process.hrtime.bigint().toString();
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function send(answer: Answer): void {
  process.send?.(answer);
}
