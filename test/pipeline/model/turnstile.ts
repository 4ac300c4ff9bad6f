import { mongo } from 'mongoose';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';

/**
 * What becomes of a command: its reply arrives; it is executed and the reply gets lost; it never arrives.
 */
export type Fate = 'reply' | 'lost' | 'unsent';

interface Command {
  method: string;
  send(fate: Fate): Promise<void>;
}

const READS: ReadonlySet<string> = new Set(['find', 'findOne']);

/**
 * The collection as one operation sees it: each command waits until it is let through, and reaches the real server then. So a
 * process can stand still between two commands for as long as the others like, or forever.
 */
export class Turnstile {
  readonly jobs: mongo.Collection<JobDocument>;
  readonly #waiting: Command[] = [];
  readonly #onWrite: () => void;

  /** `onWrite` hears of every command that may change something. */
  constructor(jobs: mongo.Collection<JobDocument>, onWrite: () => void) {
    this.#onWrite = onWrite;
    this.jobs = new Proxy(jobs, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        const call = (args: unknown[]): unknown => Reflect.apply(member, target, args);
        if (name !== 'find') return (...args: unknown[]) => this.#wait(String(name), () => call(args));
        return (...args: unknown[]) => ({
          toArray: () => this.#wait('find', () => (call(args) as mongo.FindCursor).toArray()),
        });
      },
    });
  }

  /** Method of the command that goes next, or null. */
  get next(): string | null {
    return this.#waiting[0]?.method ?? null;
  }

  /** Lets one command through and everything happen that follows from it, up to the next. */
  async release(fate: Fate): Promise<void> {
    await this.#waiting.shift()!.send(fate);
    await quiet();
  }

  #wait(method: string, call: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const send = async (fate: Fate): Promise<void> => {
        if (fate !== 'unsent' && !READS.has(method)) this.#onWrite();
        const sent = fate === 'unsent' ? null : Promise.resolve(call());
        const [reply] = await Promise.allSettled([sent]);
        if (fate !== 'reply') reject(new mongo.MongoNetworkError(`the connection was cut, the command ${fate}`));
        else if (reply.status === 'fulfilled') resolve(reply.value);
        else reject(reply.reason);
      };
      this.#waiting.push({ method, send });
    });
  }
}

/** Between two commands an operation needs no more than the current turn of the event loop. */
export const quiet = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
