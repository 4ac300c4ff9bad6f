import { describe, expect, it } from 'vitest';
import { claimMeasures } from '../../bench/chaos/scenarios/claimers.ts';
import type { Claiming } from '../../bench/chaos/world/claiming.ts';

const turn = (over: Partial<Claiming>): Claiming => ({
  asked: 100,
  won: 100,
  perSecond: 1_000,
  wonTwice: 0,
  lost: 0,
  ...over,
});
const missed = (alone: Claiming[], together: Claiming[]) =>
  claimMeasures(alone, together)
    .filter(({ met }) => !met)
    .map(({ name }) => name);

describe('measures of many claimers', () => {
  it('ask for the share that they won, and for the speed of one, in the best turn of each', () => {
    expect(missed([turn({})], [turn({ won: 60, perSecond: 400 }), turn({ perSecond: 1_100 })])).toEqual([]);
    expect(missed([turn({})], [turn({ won: 59 }), turn({ won: 60 })])).toEqual(['won/asked']);
    expect(missed([turn({}), turn({ perSecond: 1_200 })], [turn({ perSecond: 1_100 })])).toEqual([
      'jobs/s of one claimer',
    ]);
  });

  it('forgive neither a job that two won nor one that nobody did', () => {
    expect(missed([turn({})], [turn({ wonTwice: 1 })])).toEqual(['won twice']);
    expect(missed([turn({ lost: 1 })], [turn({})])).toEqual(['lost']);
  });
});
