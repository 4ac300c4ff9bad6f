import { afterEach, describe, expect, it } from 'vitest';
import { Watchdog } from '../../src/worker/watchdog.ts';
import { waitFor } from '../helpers/wait-for.ts';

let watchdog: Watchdog;
afterEach(() => watchdog.stop());

/** A watchdog that looks every 250 ms and bites after 300 ms without a start. */
async function start(facts: { waiting: () => number; free: () => number; away?: () => boolean }, watchdogMs = 300) {
  const seen = { looks: 0, rebuilt: 0, gaveUp: [] as string[], errors: 0 };
  watchdog = new Watchdog({
    watchdogMs,
    countWaiting: async () => {
      if (facts.away?.()) throw new Error('away');
      return facts.waiting();
    },
    freeSlots: () => {
      seen.looks += 1;
      return facts.free();
    },
    rebuild: async () => {
      seen.rebuilt += 1;
    },
    giveUp: reason => seen.gaveUp.push(reason),
    onError: error => {
      expect(error).toMatchObject({ message: 'away' });
      seen.errors += 1;
    },
  });
  await watchdog.start();
  return seen;
}

describe('the watchdog', () => {
  it('rebuilds the consumer when nothing starts although work waits and a slot is free, then gives up', async () => {
    const seen = await start({ waiting: () => 3, free: () => 1 });
    await waitFor(() => seen.rebuilt === 1, { what: 'a rebuild' });
    expect(seen.gaveUp).toEqual([]);
    await waitFor(() => seen.gaveUp.length > 0, { what: 'the end of its patience' });
    expect(seen.rebuilt).toBe(1);
  });

  it('leaves a worker alone whose slots are all taken, however long', async () => {
    const seen = await start({ waiting: () => 3, free: () => 0 });
    await waitFor(() => seen.looks >= 5, { what: 'five looks' });
    expect(seen).toMatchObject({ rebuilt: 0, gaveUp: [] });
  });

  it('leaves an idle worker alone', async () => {
    const seen = await start({ waiting: () => 0, free: () => 5 });
    await waitFor(() => seen.looks >= 5, { what: 'five looks' });
    expect(seen).toMatchObject({ rebuilt: 0, gaveUp: [] });
  });

  it('is calm as long as something starts', async () => {
    const seen = await start({ waiting: () => 3, free: () => 1 });
    await waitFor(
      () => {
        watchdog.started();
        return seen.looks >= 5;
      },
      { what: 'five looks' },
    );
    expect(seen).toMatchObject({ rebuilt: 0, gaveUp: [] });
  });

  it('does not count the time in which its process stood still', async () => {
    const seen = await start({ waiting: () => 3, free: () => 1 }, 2_000);
    await waitFor(() => seen.looks >= 2, { what: 'two looks' });
    const until = performance.now() + 2_200;
    while (performance.now() < until);
    const { looks } = seen;
    await waitFor(() => seen.looks >= looks + 2, { what: 'two looks more' });
    expect(seen).toMatchObject({ rebuilt: 0, gaveUp: [] });
    await waitFor(() => seen.rebuilt === 1, { what: 'a rebuild, when nothing has started for the whole time' });
  });

  it('has patience again after an outage of Redis, however long that was', async () => {
    let away = true;
    let counts = 0;
    const waiting = () => (++counts === 1 ? 3 : 0);
    const seen = await start({ waiting, free: () => 1, away: () => away }, 1_000);
    await waitFor(() => seen.errors >= 6, { what: 'an outage longer than its patience' });
    away = false;
    await waitFor(() => counts >= 2, { what: 'two looks after the outage' });
    expect(seen.rebuilt).toBe(0);
  });
});
