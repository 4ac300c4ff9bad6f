import fc from 'fast-check';
import type { Fleet, Pace } from './fleet.ts';
import type { Job } from './job.ts';

/** A step of a sequence: what it does is decided by its numbers and by what there is when its turn comes. */
class Step implements fc.AsyncCommand<Fleet, object> {
  readonly #name: string;
  readonly #numbers: readonly unknown[];
  /** Null when there is nothing to do it with. */
  readonly #plan: (fleet: Fleet) => (() => unknown) | null;

  constructor(name: string, numbers: readonly unknown[], plan: (fleet: Fleet) => (() => unknown) | null) {
    this.#name = name;
    this.#numbers = numbers;
    this.#plan = plan;
  }

  check(fleet: Fleet): boolean {
    return this.#plan(fleet) !== null;
  }

  async run(fleet: Fleet): Promise<void> {
    await this.#plan(fleet)!();
    await fleet.verify();
    fleet.census.count('step');
  }

  toString(): string {
    return `${this.#name}(${this.#numbers.map(number => JSON.stringify(number)).join()})`;
  }
}

const MOST_IN_FLIGHT = 6;

/** Numbers that choose among what there is when their turn comes. */
export const draw = fc.nat(999_999);
export const draws = fc.array(draw, { minLength: 1, maxLength: 5, size: 'max' });
export const worker = fc.nat(2);

/** An operation that nothing holds up. */
export const WHOLE: Pace = { commands: Number.POSITIVE_INFINITY, fate: 'reply' };

export const jobsOf = (fleet: Fleet): Job[] => [...fleet.world.jobs.values()];

/** Three times out of four one that can succeed, where there is one: else everything would be stale soon. */
export function pick<Item>(items: readonly Item[], number: number, isGood: (item: Item) => boolean): Item | undefined {
  const good = items.filter(isGood);
  const from = number % 4 > 0 && good.length > 0 ? good : items;
  return from[Math.floor(number / 4) % from.length];
}

export function pickSome<Item>(
  items: readonly Item[],
  numbers: readonly number[],
  isGood: (item: Item) => boolean,
): Item[] {
  return numbers.map(number => pick(items, number, isGood)).filter(item => item !== undefined);
}

const pace: fc.Arbitrary<Pace> = fc.record({
  commands: fc.oneof(
    { weight: 9, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
    { weight: 3, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.constant(2) },
  ),
  fate: fc.constant('reply' as const),
});
const cut: fc.Arbitrary<Pace> = fc.record({
  commands: fc.constantFrom(1, 1, 2, 3),
  fate: fc.constantFrom('lost', 'unsent'),
});
const anyPace = fc.oneof({ weight: 12, arbitrary: pace }, { weight: 1, arbitrary: cut });

export type WeightedStep = fc.WeightedArbitrary<fc.AsyncCommand<Fleet, object>>;

type Plan<Numbers extends unknown[]> = (fleet: Fleet, ...numbers: Numbers) => (() => unknown) | null;

/** One kind of step, drawn `weight` times as often as one of weight 1. */
export function step<Numbers extends unknown[]>(
  weight: number,
  name: string,
  arbitraries: { [Index in keyof Numbers]: fc.Arbitrary<Numbers[Index]> },
  plan: Plan<Numbers>,
): WeightedStep {
  const drawn = fc.tuple(...arbitraries) as unknown as fc.Arbitrary<Numbers>;
  return { weight, arbitrary: drawn.map(values => new Step(name, values, fleet => plan(fleet, ...values))) };
}

/** The same for an operation of the store: never more than a few stand still at a time. */
export function operation<Numbers extends unknown[]>(
  weight: number,
  name: string,
  arbitraries: { [Index in keyof Numbers]: fc.Arbitrary<Numbers[Index]> },
  plan: (fleet: Fleet, pace: Pace, ...numbers: Numbers) => (() => unknown) | null,
): WeightedStep {
  return step<[Pace, ...Numbers]>(weight, name, [anyPace, ...arbitraries] as never, (fleet, at, ...rest) =>
    fleet.inFlight.length < MOST_IN_FLIGHT ? plan(fleet, at, ...rest) : null,
  );
}
