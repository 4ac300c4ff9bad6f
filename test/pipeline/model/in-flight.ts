import { isDeepStrictEqual } from 'node:util';
import type { Steps } from './operations.ts';
import { type Fate, quiet, type Turnstile } from './turnstile.ts';

export interface Move<Real, Expected> {
  label: string;
  /** The process that makes it. */
  by: string;
  model: Steps<Expected>;
  real: Promise<Real>;
  turnstile: Turnstile;
  /** The real answer in the words of the model. */
  view: (real: Real) => unknown;
  expected?: (answer: Expected) => unknown;
  done?: ((real: Real, expected: Expected) => void) | undefined;
  /** The reply of a command was lost: the caller does not know what happened. */
  failed?: (() => void) | undefined;
}

type Ending = { ok: true; value: unknown } | { ok: false; error: unknown };

/** An operation under way, on the real store and in the model, in step: command by command. */
export class InFlight {
  readonly label: string;
  readonly by: string;
  readonly #move: Move<unknown, unknown>;
  #wanted: IteratorResult<string, unknown>;
  #ending: Ending | null = null;

  private constructor(move: Move<unknown, unknown>) {
    this.label = move.label;
    this.by = move.by;
    this.#move = move;
    this.#wanted = move.model.next();
    move.real.then(
      value => {
        this.#ending = { ok: true, value };
      },
      error => {
        this.#ending = { ok: false, error };
      },
    );
  }

  static async start<Real, Expected>(move: Move<Real, Expected>): Promise<InFlight> {
    const flight = new InFlight(move as unknown as Move<unknown, unknown>);
    await quiet();
    flight.#compare();
    return flight;
  }

  /** Lets up to `commands` through, the last of them with that fate. Answers whether the operation has ended. */
  async advance(commands: number, fate: Fate): Promise<boolean> {
    for (let left = commands; left > 0; left -= 1) {
      const now = left === 1 ? fate : 'reply';
      if (now !== 'unsent') this.#wanted = this.#move.model.next();
      await this.#move.turnstile.release(now);
      if (now !== 'reply') return this.#expectFailure();
      if (this.#compare()) return true;
    }
    return false;
  }

  /** Both want the same command next, or both have ended with the same answer. */
  #compare(): boolean {
    const { turnstile, view, expected = answer => answer, done } = this.#move;
    const ending = this.#ending;
    if (ending && !ending.ok) throw new Error(`${this.label}: failed`, { cause: ending.error });
    if (!this.#wanted.done || !ending) {
      const wanted = this.#wanted.done ? 'an end' : this.#wanted.value;
      const sent = ending ? 'an end' : turnstile.next;
      if (wanted !== sent) throw new Error(`${this.label}: the model expects ${wanted}, the store goes for ${sent}`);
      return false;
    }
    const model = expected(this.#wanted.value);
    const real = view(ending.value);
    if (!isDeepStrictEqual(real, model)) {
      throw new Error(`${this.label}: the model answers ${JSON.stringify(model)}, the store ${JSON.stringify(real)}`);
    }
    done?.(ending.value, this.#wanted.value);
    return true;
  }

  #expectFailure(): true {
    if (!this.#ending) throw new Error(`${this.label}: goes on although a reply was lost`);
    if (this.#ending.ok) throw new Error(`${this.label}: answers although a reply was lost`);
    this.#move.failed?.();
    return true;
  }
}
