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
  it('ask for the share that they won', () => {
    expect(missed([turn({}), turn({})], [turn({ won: 60 }), turn({ won: 60 })])).toEqual([]);
    expect(missed([turn({}), turn({})], [turn({ won: 59 }), turn({ won: 60 })])).toEqual(['won/asked']);
  });

  it('ask for the speed of one in most turns, each compared with the one beside it', () => {
    const alone = [400, 1_000, 2_000].map(perSecond => turn({ perSecond }));
    expect(missed(alone, [turn({ perSecond: 390 }), turn({ perSecond: 1_100 }), turn({ perSecond: 2_000 })])).toEqual(
      [],
    );
    expect(missed(alone, [turn({ perSecond: 390 }), turn({ perSecond: 990 }), turn({ perSecond: 2_000 })])).toEqual([
      'jobs/s of one claimer',
    ]);
  });

  it('forgive neither a job that two won nor one that nobody did', () => {
    expect(missed([turn({})], [turn({ wonTwice: 1 })])).toEqual(['won twice']);
    expect(missed([turn({ lost: 1 })], [turn({})])).toEqual(['lost']);
  });
});
