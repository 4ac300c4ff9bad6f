import { describe, expect, it } from 'vitest';
import { PollLoop } from '../../src/platform/poll-loop.ts';
import { waitFor } from '../helpers/wait-for.ts';

const LONG_MS = 60_000;

function ignore(): void {}

describe('PollLoop', () => {
  it('runs rounds one after the other and waits as each says', async () => {
    const startedAt: number[] = [];
    const waits = [0, 40, LONG_MS];
    const loop = new PollLoop({
      tick: async () => {
        startedAt.push(performance.now());
        return waits[startedAt.length - 1] ?? LONG_MS;
      },
      onError: ignore,
    });
    await loop.start();
    await waitFor(() => startedAt.length === 3, { what: 'three rounds' });
    await loop.stop();
    expect(startedAt[1]! - startedAt[0]!).toBeLessThan(5_000);
    expect(startedAt[2]! - startedAt[1]!).toBeGreaterThanOrEqual(39);
  });

  it('wake cuts a wait short, and a wake during a round leads to one more right after it', async () => {
    let rounds = 0;
    let release: () => void = ignore;
    const loop = new PollLoop({
      tick: async () => {
        rounds += 1;
        if (rounds === 2) {
          await new Promise<void>(resolve => {
            release = resolve;
          });
        }
        return LONG_MS;
      },
      onError: ignore,
    });
    await loop.start();
    await waitFor(() => rounds === 1, { what: 'the first round' });
    loop.wake();
    await waitFor(() => rounds === 2, { what: 'the woken round' });
    loop.wake();
    loop.wake();
    expect(rounds).toBe(2);
    release();
    await waitFor(() => rounds === 3, { what: 'the kept wake' });
    await loop.stop();
    expect(rounds).toBe(3);
  });

  it('keeps a wake that came between the end of a round and its wait', async () => {
    let rounds = 0;
    const loop = new PollLoop({
      tick: async () => {
        rounds += 1;
        // Runs after the round has ended and before the loop goes on.
        if (rounds === 1) queueMicrotask(() => loop.wake());
        return LONG_MS;
      },
      onError: ignore,
    });
    await loop.start();
    await waitFor(() => rounds === 2, { what: 'the second round' });
    await loop.stop();
  });

  it('tells of a round that threw, waits and goes on; an onError that throws does not end it', async () => {
    const errors: unknown[] = [];
    let rounds = 0;
    const loop = new PollLoop({
      tick: async () => {
        rounds += 1;
        if (rounds < 3) throw new Error(`round ${rounds}`);
        return LONG_MS;
      },
      onError: error => {
        errors.push(error);
        throw new Error('the observer is broken');
      },
      errorDelayMs: 5,
    });
    await loop.start();
    await waitFor(() => rounds === 3, { what: 'the good round' });
    await loop.stop();
    expect(errors).toEqual([new Error('round 1'), new Error('round 2')]);
  });

  it('stop waits for the round under way and nothing runs after it; both calls may be repeated', async () => {
    let rounds = 0;
    let isInRound = false;
    const loop = new PollLoop({
      tick: async () => {
        rounds += 1;
        isInRound = true;
        await new Promise(resolve => setImmediate(resolve));
        isInRound = false;
        return 0;
      },
      onError: ignore,
    });
    await loop.stop();
    await Promise.all([loop.start(), loop.start()]);
    await waitFor(() => isInRound, { what: 'a round' });
    await Promise.all([loop.stop(), loop.stop()]);
    expect(isInRound).toBe(false);
    const after = rounds;
    loop.wake();
    await new Promise(resolve => setImmediate(resolve));
    expect(rounds).toBe(after);
  });

  it('survives start and stop in any order, and never runs two loops', async () => {
    let concurrent = 0;
    let mostConcurrent = 0;
    let rounds = 0;
    const loop = new PollLoop({
      tick: async () => {
        rounds += 1;
        concurrent += 1;
        mostConcurrent = Math.max(mostConcurrent, concurrent);
        await new Promise(resolve => setImmediate(resolve));
        concurrent -= 1;
        return 0;
      },
      onError: ignore,
    });
    const calls: Promise<void>[] = [];
    for (let round = 0; round < 200; round += 1) {
      calls.push(round % 2 === 0 ? loop.start() : loop.stop());
      if (round % 7 === 0) await new Promise(resolve => setImmediate(resolve));
    }
    await Promise.all(calls);
    await loop.start();
    const before = rounds;
    await waitFor(() => rounds > before, { what: 'a loop that runs after the last start' });
    await loop.stop();
    expect(mostConcurrent).toBe(1);
    expect(concurrent).toBe(0);
  });
});
