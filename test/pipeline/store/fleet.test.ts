import { beforeAll, describe, expect, it } from 'vitest';
import { type LaneDocument, LanePauses } from '../../../src/pipeline/store/lane-pauses.ts';
import { LeaderLease } from '../../../src/pipeline/store/leader-lease.ts';
import { type CounterDocument, OutcomeCounters } from '../../../src/pipeline/store/outcome-counters.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { useStore } from '../../helpers/store.ts';
import { waitFor } from '../../helpers/wait-for.ts';

let context: StoreContext;
let other: StoreContext;

beforeAll(async () => {
  const store = await useStore();
  context = store.context;
  other = store.as('host:2:other');
});

describe('a leader lease', () => {
  it('is held by one process, renewed by it, and free after its release', async () => {
    const mine = new LeaderLease(context, 'test', 60_000);
    const theirs = new LeaderLease(other, 'test', 60_000);
    expect(await mine.hold()).toBe(true);
    expect(await theirs.hold()).toBe(false);
    expect(await mine.hold()).toBe(true);
    await theirs.release();
    expect(await theirs.hold()).toBe(false);
    await mine.release();
    expect(await theirs.hold()).toBe(true);
  });

  it('ends by itself when its holder vanishes', async () => {
    expect(await new LeaderLease(context, 'short', 50).hold()).toBe(true);
    const theirs = new LeaderLease(other, 'short', 50);
    expect(await waitFor(() => theirs.hold(), { what: 'the lease to run out' })).toBe(true);
  });
});

describe('lane pauses', () => {
  it('are read from the ledger, and end at their time', async () => {
    const lanes = context.db.collection<LaneDocument>('lanes');
    const now = Date.now();
    await lanes.insertMany([
      { _id: 'paused', pausedAt: new Date(now) },
      { _id: 'over', pausedAt: new Date(now - 2_000), pausedUntil: new Date(now - 1_000) },
      { _id: 'running' },
    ]);
    const pauses = new LanePauses(context, error => expect.fail(String(error)));
    await pauses.start();
    await waitFor(() => pauses.isPaused('paused'), { what: 'the pause to be seen' });
    expect(['over', 'running', 'unknown'].map(lane => pauses.isPaused(lane))).toEqual([false, false, false]);
    await pauses.stop();
  });
});

describe('counters', () => {
  it('add up a day and tenant, whoever counts', async () => {
    const mine = new OutcomeCounters(context, error => expect.fail(String(error)));
    const theirs = new OutcomeCounters(other, error => expect.fail(String(error)));
    for (let index = 0; index < 50; index += 1) {
      mine.count('a', 'completed');
      theirs.count(index % 2 ? 'a' : 'b', 'failed');
      mine.count('a', 'pending');
    }
    await Promise.all([mine.idle(), theirs.idle()]);
    const found = await context.db.collection<CounterDocument>('counters').find().sort({ _id: 1 }).toArray();
    expect(found).toMatchObject([
      { tenant: 'a', completed: 50, failed: 25 },
      { tenant: 'b', failed: 25 },
    ]);
  });
});
