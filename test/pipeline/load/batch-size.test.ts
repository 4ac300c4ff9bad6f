import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchSize, StartRate, windowSize } from '../../../src/pipeline/load/batch-size.ts';

describe('batchSize', () => {
  it('fills free slots and one second of work, a batch at most', () => {
    expect(batchSize({ waiting: 0, freeSlots: 10, startsPerSecond: 20, batchSize: 50 })).toBe(30);
    expect(batchSize({ waiting: 0, freeSlots: 10, startsPerSecond: 500, batchSize: 50 })).toBe(50);
  });

  it('claims nothing while half of the window is left', () => {
    expect(batchSize({ waiting: 16, freeSlots: 0, startsPerSecond: 30, batchSize: 50 })).toBe(0);
    expect(batchSize({ waiting: 15, freeSlots: 0, startsPerSecond: 30, batchSize: 50 })).toBe(15);
  });

  it('claims at least one when nothing waits, however slow the work is', () => {
    expect(batchSize({ waiting: 0, freeSlots: 0, startsPerSecond: 0.01, batchSize: 50 })).toBe(1);
    expect(windowSize({ freeSlots: 0, startsPerSecond: 0 })).toBe(1);
  });

  it('never claims more when the window is over full', () => {
    expect(batchSize({ waiting: 3, freeSlots: 4, startsPerSecond: 0, batchSize: 50 })).toBe(1);
    expect(batchSize({ waiting: 400, freeSlots: 10, startsPerSecond: 1, batchSize: 50 })).toBe(0);
  });
});

describe('batchSize of anything', () => {
  const facts = fc.record({
    waiting: fc.nat(5_000),
    freeSlots: fc.nat(500),
    startsPerSecond: fc.double({ min: 0, max: 5_000, noNaN: true }),
    batchSize: fc.integer({ min: 1, max: 1_000 }),
  });

  it('is a whole number, at most a batch, and never lets the window overflow', () => {
    fc.assert(
      fc.property(facts, given => {
        const size = batchSize(given);
        expect(Number.isInteger(size)).toBe(true);
        expect(size).toBeGreaterThanOrEqual(0);
        expect(size).toBeLessThanOrEqual(given.batchSize);
        if (size > 0) expect(given.waiting + size).toBeLessThanOrEqual(windowSize(given));
      }),
    );
  });

  it('is never zero while a free slot would find nothing', () => {
    fc.assert(
      fc.property(facts, given => {
        if (given.waiting < given.freeSlots) expect(batchSize(given)).toBeGreaterThan(0);
      }),
    );
  });
});

describe('StartRate', () => {
  it('moves towards what was measured, and keeps it while idle', () => {
    const rate = new StartRate(10, 0);
    for (let start = 0; start < 400; start += 1) rate.add();
    const busy = rate.perSecond(2_000);
    expect(busy).toBeGreaterThan(100);
    expect(busy).toBeLessThanOrEqual(200);
    expect(rate.perSecond(60_000)).toBe(busy);
  });
});
