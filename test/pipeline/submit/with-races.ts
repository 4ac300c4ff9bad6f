import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';

/**
 * The same store, where somebody else is faster: `before` runs ahead of every findOneAndUpdate and findOneAndDelete, told which
 * one it is (1, 2, …), and `after` behind it.
 */
export function withRaces(
  real: StoreContext,
  before: (attempt: number) => Promise<unknown> | null,
  after: () => Promise<unknown> | null = () => null,
): StoreContext {
  let attempt = 0;
  const jobs = new Proxy(real.jobs, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      return async (...given: unknown[]) => {
        const call = () => Reflect.apply(member, target, given) as unknown;
        if (property !== 'findOneAndUpdate' && property !== 'findOneAndDelete') return call();
        attempt += 1;
        await before(attempt);
        const answer = await call();
        await after();
        return answer;
      };
    },
  });
  return { ...real, jobs };
}
