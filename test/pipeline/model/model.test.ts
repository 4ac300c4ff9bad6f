import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { useStore } from '../../helpers/store.ts';
import { calm } from './calm.ts';
import { Census } from './census.ts';
import { steps } from './commands.ts';
import { Fleet } from './fleet.ts';
import { tooSeldom } from './mixture.ts';

const STEPS = Number(process.env.MODEL_STEPS ?? 10_000);
const SEED = Number(process.env.MODEL_SEED ?? 20_260_101);
const LONGEST_SEQUENCE = 400;
/** How long a failure is made shorter. */
const SHRINK_MS = 15_000;
/** Sequences side by side, each on a database of its own: a step is mostly the wait for a reply. */
const LANES = 6;

const census = new Census();
const sequences = fc.noBias(fc.commands<Fleet, object, false>([steps], { maxCommands: LONGEST_SEQUENCE, size: 'max' }));

/** Null, or what was found: the shortest story that fast-check makes of it. */
async function explore(context: StoreContext, seed: number): Promise<string | null> {
  let story: string[] = [];
  let met: number | null = null;
  let metAt = 0;
  const property = fc.asyncProperty(sequences, async sequence => {
    if (met !== null && performance.now() - metAt > SHRINK_MS) return;
    await context.jobs.deleteMany({}, { writeConcern: { w: 1 } });
    const fleet = new Fleet(context);
    try {
      await fc.asyncModelRun(async () => ({ model: fleet, real: {} }), sequence);
      census.add(fleet.census);
      await calm(fleet);
    } catch (error) {
      story = fleet.log;
      if (met === null) metAt = performance.now();
      met ??= census.of('step') + fleet.census.of('step');
      throw error;
    }
  });
  const { failed, errorInstance } = await fc.check(property, { seed, numRuns: 4 });
  if (!failed) return null;
  const message = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return [`MODEL_SEED=${seed}, met after ${met} steps:`, ...story, message].join('\n');
}

it(`the store does what the transition table says, ${STEPS} times`, async () => {
  let seed = SEED;
  let found: string | null = null;
  const lane = async (): Promise<void> => {
    const { context } = await useStore();
    while (census.of('step') < STEPS && found === null) {
      const seedOfLane = seed;
      seed += 1;
      found = (await explore(context, seedOfLane)) ?? found;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  if (found !== null) expect.fail(found);
  expect(tooSeldom(census, STEPS)).toEqual([]);
}, 600_000);
