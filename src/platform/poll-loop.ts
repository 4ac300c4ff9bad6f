import type { Service } from './service.ts';

export interface PollLoopOptions {
  /** One round; answers how many milliseconds to wait before the next one. */
  tick: () => Promise<number>;
  /** Told of a round that threw; the loop goes on after `errorDelayMs`. */
  onError: (error: unknown) => void;
  errorDelayMs?: number;
}

/** The one loop of LedgerMQ: rounds never overlap, `wake()` cuts a wait short, `stop()` waits for the round under way. */
export class PollLoop implements Service {
  readonly #options: PollLoopOptions;
  #run: { isStopped: boolean; ended: Promise<void> } | null = null;
  #woken = false;
  #endWait: (() => void) | null = null;

  constructor(options: PollLoopOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const previous = this.#run;
    if (previous && !previous.isStopped) return;
    const run = { isStopped: false, ended: Promise.resolve() };
    // A run that was told to stop may still be in its last round: two never overlap.
    run.ended = (previous?.ended ?? Promise.resolve()).then(() => this.#loop(run));
    this.#run = run;
  }

  /** Starts the next round at once; a wake during a round is kept for right after it. */
  wake(): void {
    this.#woken = true;
    this.#endWait?.();
  }

  async stop(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    run.isStopped = true;
    this.#endWait?.();
    await run.ended;
  }

  async #loop(run: { readonly isStopped: boolean }): Promise<void> {
    while (!run.isStopped) {
      this.#woken = false;
      const waitMs = await this.#round();
      if (!run.isStopped && !this.#woken && waitMs > 0) await this.#wait(waitMs);
    }
  }

  async #round(): Promise<number> {
    try {
      return await this.#options.tick();
    } catch (error) {
      try {
        this.#options.onError(error);
      } catch {
        // An observer that fails must not end the loop it observes.
      }
      return this.#options.errorDelayMs ?? 1_000;
    }
  }

  #wait(waitMs: number): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer);
        this.#endWait = null;
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#endWait = done;
    });
  }
}
