import { describe, expect, it } from 'vitest';
import { ClaimSpread } from '../../../src/pipeline/store/claim-spread.ts';

const farthest = () => new ClaimSpread(() => 0.999);

describe('where claims begin', () => {
  it('is the head of the lane, as long as they win', () => {
    const spread = farthest();
    spread.learn(50, 50, 0);
    spread.learn(50, 30, 10);
    expect(spread.batchesToSkip(20)).toBe(0);
  });

  it('is farther on with every loss, up to a bound', () => {
    const spread = farthest();
    const skipped = [1, 2, 3, 4].map(() => {
      spread.learn(50, 0, 0);
      return spread.batchesToSkip(0);
    });
    expect(skipped).toEqual([3, 11, 11, 11]);
  });

  it('is anywhere on the stretch, so that losers part', () => {
    const draws = [0, 0.3, 0.6, 0.9];
    const spread = new ClaimSpread(() => draws.shift()!);
    spread.learn(50, 10, 0);
    expect([1, 2, 3, 4].map(() => spread.batchesToSkip(0))).toEqual([0, 1, 2, 3]);
  });

  it('is the head again some seconds after the last loss', () => {
    const spread = farthest();
    for (let loss = 0; loss < 5; loss += 1) spread.learn(50, 0, 0);
    expect(spread.batchesToSkip(1_000)).toBe(6);
    expect(spread.batchesToSkip(20_000)).toBe(0);
  });

  it('is the head at once where the backlog ends', () => {
    const spread = farthest();
    spread.learn(50, 0, 0);
    spread.reset();
    expect(spread.batchesToSkip(0)).toBe(0);
  });
});
