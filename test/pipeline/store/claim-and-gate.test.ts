import { mongo } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { JobEvents } from '../../../src/pipeline/record/job-events.ts';
import { StartGateGroup } from '../../../src/pipeline/run/start-gate-group.ts';
import { JobBatchRepository } from '../../../src/pipeline/store/job-batch-repository.ts';
import type { ClaimedJob } from '../../../src/pipeline/store/job-document.ts';
import { rescueRun } from '../../../src/pipeline/store/recovery-store.ts';
import { newRunKey, openStartGate } from '../../../src/pipeline/store/start-gate.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { newJobDocument } from '../../helpers/job-document.ts';
import { useJobs } from './use-jobs.ts';

const { context, other, bad, repository, insert, read, claimOne, suspect } = await useJobs();

describe('claim', () => {
  it('gives every job to one of two loaders', async () => {
    await context.jobs.insertMany(Array.from({ length: 100 }, () => newJobDocument()));
    const second = new JobBatchRepository(other, () => undefined);
    const batches = await Promise.all(
      Array.from({ length: 8 }, (_, index) => (index % 2 ? repository : second).loadNextBatch('default', 25)),
    );
    const rest: ClaimedJob[] = [];
    for (
      let more = await repository.loadNextBatch('default', 100);
      more.length > 0;
      more = await repository.loadNextBatch('default', 100)
    ) {
      rest.push(...more);
    }
    const all = [...batches.flat(), ...rest].map(job => job.id.toHexString());
    expect(all).toHaveLength(100);
    expect(new Set(all).size).toBe(100);
  });

  it("of many loaders keep out of each other's way on a deep backlog, and find its last jobs", async () => {
    await context.jobs.insertMany(Array.from({ length: 600 }, () => newJobDocument()));
    const loaders = Array.from({ length: 6 }, () => new JobBatchRepository(context, () => undefined));
    const ids = new Set<string>();
    const tally = { asked: 0, won: 0 };
    await Promise.all(
      loaders.map(async loader => {
        while (ids.size < 600) {
          const isDeep = ids.size < 400;
          const batch = await loader.loadNextBatch('default', 5);
          if (isDeep) Object.assign(tally, { asked: tally.asked + 5, won: tally.won + batch.length });
          for (const job of batch) ids.add(job.id.toHexString());
        }
      }),
    );
    // All of them at the head would win a sixth.
    expect(tally.won / tally.asked).toBeGreaterThan(0.4);
  });

  it('takes what is due, the most important first, and nothing of another lane', async () => {
    const low = await insert({ priority: 1 });
    const high = await insert({ priority: 9 });
    await insert({ runAt: new Date(Date.now() + 60_000), priority: 10 });
    await insert({ queue: 'mail', priority: 10 });
    const claimed = await repository.loadNextBatch('default', 10);
    expect(claimed.map(job => job.id)).toEqual([high._id, low._id]);
    expect(await repository.nextDue('mail')).toBeInstanceOf(Date);
  });

  it('leaves a document aside that cannot take the update, and claims its neighbours', async () => {
    const broken = await insert({ historySeq: 'x' as unknown as number, priority: 10 });
    const good = await insert();
    expect((await repository.loadNextBatch('default', 10)).map(job => job.id)).toEqual([good._id]);
    expect(bad.map(document => document.id)).toContainEqual(broken._id);
    const next = await insert();
    expect((await repository.loadNextBatch('default', 1)).map(job => job.id)).toEqual([next._id]);
  });

  it('is given back, or put back, by its token only', async () => {
    const job = await insert();
    const claimed = await claimOne();
    await repository.giveBack([{ ...claimed, token: new mongo.ObjectId() }]);
    expect((await read(job._id)).status).toBe('queued');
    await repository.giveBack([claimed]);
    expect(await read(job._id)).not.toHaveProperty('token');
    const again = await claimOne();
    await repository.unstart(again, 60_000, 'lane paused');
    const back = await read(job._id);
    expect(back.status).toBe('pending');
    expect(back.runAt.getTime()).toBeGreaterThan(Date.now() + 50_000);
  });
});

describe('start gate', () => {
  it('opens once for each job: stale tokens and doubles stay outside', async () => {
    await insert();
    const ticket = await claimOne();
    const stale = { id: ticket.id, token: new mongo.ObjectId() };
    const runKey = newRunKey();
    const passed = await openStartGate(context, [stale, ticket, ticket], runKey);
    expect(passed.map(job => job !== null)).toEqual([false, true, false]);
    expect(await openStartGate(other, [ticket], newRunKey())).toEqual([null]);
    expect(await read(ticket.id)).toMatchObject({ status: 'processing', runs: 1, runKey });
  });

  it('repeated with the same run key after a lost reply finds its winners again, and starts nothing twice', async () => {
    await insert();
    const ticket = await claimOne();
    const runKey = newRunKey();
    await openStartGate(context, [ticket], runKey);
    const [again] = await openStartGate(context, [ticket], runKey);
    expect(again).toMatchObject({ runs: 1, runKey });
  });

  it('a document that cannot take the update keeps no neighbour outside', async () => {
    await insert();
    const broken = await claimOne();
    await insert();
    const good = await claimOne();
    await context.jobs.updateOne({ _id: broken.id }, { $set: { runs: 'x' as unknown as number } });
    const passed = await openStartGate(context, [broken, good], newRunKey());
    expect(passed.map(job => job !== null)).toEqual([false, true]);
  });
});

describe('the gate of a process that was stopped meanwhile', () => {
  it('asks once more when the answer is older than the lease, and starts nothing that was taken back', async () => {
    await insert();
    const ticket = await claimOne();
    let calls = 0;
    const stopped: StoreContext = {
      ...context,
      lease: { ...context.lease, leaseMs: 0 },
      bounded: async work => {
        const answer = await work;
        calls += 1;
        // Between the answer of the first find and its arrival the run is rescued.
        if (calls === 2) await rescueRun(other, await suspect(ticket.id));
        return answer;
      },
    };
    const gate = new StartGateGroup(stopped, new JobEvents());
    expect(await gate.pass(ticket)).toBeNull();
    expect(calls).toBe(4);
    expect(await read(ticket.id)).toMatchObject({ status: 'pending', crashes: 1 });
  });
});
