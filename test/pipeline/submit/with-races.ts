import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';

/**
 * The same store, where somebody else is faster: `before` runs ahead of every findOneAndUpdate, told which one it is (1, 2, …).
 */
export function withRaces(real: StoreContext, before: (attempt: number) => Promise<unknown> | null): StoreContext {
  let attempt = 0;
  const jobs = new Proxy(real.jobs, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      return async (...given: unknown[]) => {
        if (property === 'findOneAndUpdate') {
          attempt += 1;
          await before(attempt);
        }
        return (await Reflect.apply(member, target, given)) as unknown;
      };
    },
  });
  return { ...real, jobs };
}
