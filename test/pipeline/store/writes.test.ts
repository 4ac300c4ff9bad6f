import { mongo } from 'mongoose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JobEvents } from '../../../src/pipeline/record/job-events.ts';
import { StartGateGroup } from '../../../src/pipeline/run/start-gate-group.ts';
import { type BadDocument, JobBatchRepository } from '../../../src/pipeline/store/job-batch-repository.ts';
import type { ClaimedJob, JobDocument, JobStatus } from '../../../src/pipeline/store/job-document.ts';
import {
  type ExpiredLease,
  expireUnstarted,
  lookAtLeases,
  markSuspect,
  refreshQueued,
  releaseQueued,
  rescueRun,
  writeQueued,
} from '../../../src/pipeline/store/recovery-store.ts';
import { beat, markIsolated } from '../../../src/pipeline/store/run-leases.ts';
import { writeNotes } from '../../../src/pipeline/store/run-notes.ts';
import { type Outcome, outcomeWrite, type RunEnd, writeOutcomes } from '../../../src/pipeline/store/run-outcomes.ts';
import { newRunKey, openStartGate } from '../../../src/pipeline/store/start-gate.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { isAllowed } from '../../../src/pipeline/store/transitions.ts';
import { newJobDocument } from '../../helpers/job-document.ts';
import { useStore } from '../../helpers/store.ts';

let context: StoreContext;
let other: StoreContext;
const bad: BadDocument[] = [];
let repository: JobBatchRepository;

beforeAll(async () => {
  const store = await useStore();
  context = store.context;
  other = store.as('host:2:other');
  repository = new JobBatchRepository(context, document => bad.push(document));
});

beforeEach(async () => {
  await context.jobs.deleteMany({});
});

async function insert(over: Partial<JobDocument> = {}): Promise<JobDocument> {
  const job = newJobDocument(over);
  await context.jobs.insertOne(job);
  return job;
}

const read = async (id: mongo.ObjectId): Promise<JobDocument> => (await context.jobs.findOne({ _id: id }))!;

async function claimOne(): Promise<ClaimedJob> {
  const [claimed] = await repository.loadNextBatch('default', 1);
  return claimed!;
}

/** Inserts, claims and starts one job. */
async function start(over: Partial<JobDocument> = {}): Promise<JobDocument> {
  await insert(over);
  const [job] = await openStartGate(context, [await claimOne()], newRunKey());
  return job!;
}

async function end(job: JobDocument, outcome: Outcome, by = context): Promise<number> {
  const runEnd: RunEnd = { run: { id: job._id, runKey: job.runKey!, tenant: job.tenant, runSeq: job.runSeq }, outcome };
  return writeOutcomes(by, [outcomeWrite(by, runEnd)], false);
}

/** Makes a lease look old, as if its holder had said nothing for a minute. */
async function age(id: mongo.ObjectId): Promise<ExpiredLease> {
  await context.jobs.updateOne({ _id: id }, { $set: { beatAt: new Date(Date.now() - 60_000) } });
  const found = (await lookAtLeases(context, 0)).expired.find(job => job._id.equals(id));
  return found!;
}

async function suspect(id: mongo.ObjectId): Promise<ExpiredLease> {
  await markSuspect(other, await age(id));
  return (await lookAtLeases(context, 0)).expired.find(job => job._id.equals(id))!;
}

const error = { name: 'Error', message: 'no', attempt: 1, retryable: true, at: new Date() };

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

describe('outcomes', () => {
  const outcomes: Record<string, [Outcome, JobStatus, string]> = {
    T5: [{ kind: 'completed', result: { a: 1 } }, 'completed', 'completed'],
    T6: [{ kind: 'retry', error, delayMs: 1_000 }, 'pending', 'pending'],
    T7: [{ kind: 'failed', error }, 'failed', 'failed'],
    T9: [{ kind: 'handed-back', delayMs: 0 }, 'pending', 'pending'],
    T10: [{ kind: 'child-died', error, poisoned: true, delayMs: 0 }, 'failed', 'failed'],
  };

  it.each(Object.entries(outcomes))(
    '%s is written once, and only by the run that holds the key',
    async (via, [outcome, status]) => {
      const job = await start();
      expect(await end({ ...job, runKey: new mongo.ObjectId() }, outcome)).toBe(0);
      expect(await end(job, outcome)).toBe(1);
      expect(await end(job, outcome)).toBe(0);
      const after = await read(job._id);
      expect(after.status).toBe(status);
      const last = after.history!.at(-1)!;
      expect(last).toMatchObject({ via, from: 'processing', to: status, runKey: job.runKey });
      expect(isAllowed(last.via, last.from, last.to)).toBe(true);
      expect(after.historySeq).toBe(after.history!.length);
      for (const field of ['token', 'owner', 'beatAt', 'leaseMs']) expect(after).not.toHaveProperty(field);
      if (status === 'pending') expect(after).not.toHaveProperty('runKey');
      else
        expect(after).toMatchObject({ runKey: job.runKey, finishedAt: expect.any(Date), expireAt: expect.any(Date) });
    },
  );

  it('a requested cancel stops retry, failure and hand-back, not success', async () => {
    for (const via of ['T6', 'T7', 'T9', 'T10']) {
      const job = await start();
      await context.jobs.updateOne({ _id: job._id }, { $set: { cancelRequestedAt: new Date() } });
      expect(await end(job, outcomes[via]![0])).toBe(0);
      expect(await end(job, { kind: 'cancelled' })).toBe(1);
    }
    const job = await start();
    expect(await end(job, { kind: 'cancelled' })).toBe(0);
    await context.jobs.updateOne({ _id: job._id }, { $set: { cancelRequestedAt: new Date() } });
    expect(await end(job, outcomes.T5![0])).toBe(1);
  });

  it('keeps the last ten errors', async () => {
    const job = await start({ errors: Array.from({ length: 10 }, (_, index) => ({ ...error, attempt: index })) });
    await end(job, { kind: 'failed', error: { ...error, attempt: 99 } });
    const { errors } = await read(job._id);
    expect(errors).toHaveLength(10);
    expect(errors!.at(-1)?.attempt).toBe(99);
  });
});

describe('beat', () => {
  it('renews what is ours, sees cancels, and knows what is lost', async () => {
    const mine = await start();
    const cancelled = await start();
    const lost = await start();
    await suspect(mine._id);
    await context.jobs.updateOne({ _id: cancelled._id }, { $set: { cancelRequestedAt: new Date() } });
    await context.jobs.updateOne({ _id: lost._id }, { $set: { runKey: new mongo.ObjectId() } });
    const refs = [mine, cancelled, lost].map(job => ({ id: job._id, runKey: job.runKey! }));
    expect(await beat(context, refs)).toEqual(['ok', 'cancel-requested', 'lost']);
    const renewed = await read(mine._id);
    expect(renewed).not.toHaveProperty('suspectAt');
    expect(renewed.beatAt!.getTime()).toBeGreaterThan(Date.now() - 10_000);
  });

  it('goes on with a run that was given up too early and that nobody has claimed since', async () => {
    const job = await start();
    await rescueRun(other, await suspect(job._id));
    expect((await read(job._id)).status).toBe('pending');
    expect(await beat(context, [{ id: job._id, runKey: job.runKey! }])).toEqual(['ok']);
    expect(await read(job._id)).toMatchObject({ status: 'processing', crashes: 1 });
    expect(await end(job, { kind: 'completed', result: 1 })).toBe(1);
  });

  it('carries progress and log lines of the run that holds the key only', async () => {
    const job = await start();
    const logs = [{ at: new Date(), attempt: 1, message: 'half way' }];
    await writeNotes(context, [{ id: job._id, runKey: new mongo.ObjectId(), notes: { progress: 1, logs } }]);
    expect(await read(job._id)).not.toHaveProperty('progress');
    await writeNotes(context, [{ id: job._id, runKey: job.runKey!, notes: { progress: { done: 50 }, logs } }]);
    expect(await read(job._id)).toMatchObject({ progress: { done: 50 }, logs });
  });
});

describe('recovery', () => {
  it('S1 releases or refreshes exactly what it read', async () => {
    const job = await insert();
    await claimOne();
    const seen = await age(job._id);
    expect(await writeQueued(context, [refreshQueued(seen, 'waiting')!])).toBe(1);
    // It moved: what was read before holds no more.
    expect(await writeQueued(context, [releaseQueued(context, seen)])).toBe(0);
    expect(await writeQueued(context, [releaseQueued(context, await age(job._id))])).toBe(1);
    expect(await read(job._id)).toMatchObject({ status: 'pending' });
  });

  it('S1 refreshes a job that hangs before its gate three times only', async () => {
    const job = await insert();
    await claimOne();
    for (let round = 0; round < 3; round += 1) {
      expect(await writeQueued(context, [refreshQueued(await age(job._id), 'active')!])).toBe(1);
    }
    expect(refreshQueued(await age(job._id), 'active')).toBeNull();
  });

  it('S2 leaves a run alone that has moved since it was seen', async () => {
    const job = await start();
    const seen = await suspect(job._id);
    await beat(context, [{ id: job._id, runKey: job.runKey! }]);
    expect(await rescueRun(other, seen)).toBeNull();
    expect((await read(job._id)).status).toBe('processing');
  });

  it('S2 counts a crash, not a failure; a late success of the old run still counts, a late failure does not', async () => {
    const job = await start();
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'pending' });
    expect(await read(job._id)).toMatchObject({ crashes: 1, failures: 0, runKey: job.runKey });
    expect(await end(job, { kind: 'failed', error })).toBe(0);
    expect(await end(job, { kind: 'completed', result: 1, late: true })).toBe(1);
    expect((await read(job._id)).history!.at(-1)).toMatchObject({ via: 'T5s' });
  });

  it('S2 and T9 leave a job its place in the line', async () => {
    const runAt = new Date(Date.now() - 60_000);
    const rescued = await start({ runAt });
    await rescueRun(other, await suspect(rescued._id));
    expect((await read(rescued._id)).runAt).toEqual(runAt);
    const handedBack = await start({ runAt: new Date(runAt.getTime() - 1_000) });
    expect(await end(handedBack, { kind: 'handed-back', delayMs: 0 })).toBe(1);
    expect((await read(handedBack._id)).runAt).toEqual(new Date(runAt.getTime() - 1_000));
  });

  it('S2: once the job is claimed again, the old run has no say', async () => {
    const job = await start();
    await rescueRun(other, await suspect(job._id));
    await claimOne();
    expect(await end(job, { kind: 'completed', result: 1, late: true })).toBe(0);
    expect(await beat(context, [{ id: job._id, runKey: job.runKey! }])).toEqual(['lost']);
  });

  it('S2 ends a run as cancelled whose cancel was requested', async () => {
    const job = await start();
    await context.jobs.updateOne({ _id: job._id }, { $set: { cancelRequestedAt: new Date() } });
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'cancelled' });
  });

  it('S2 gives an isolated run up after ten rescues', async () => {
    const job = await start({ crashes: 2, isolatedRescues: 9 });
    await markIsolated(context, { id: job._id, runKey: job.runKey! });
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'failed' });
    expect(await read(job._id)).toMatchObject({ crashes: 2, isolatedRescues: 10, errors: [{ name: 'poison' }] });
  });

  it('S2 counts nothing against a suspect whose child had not begun', async () => {
    const job = await start({ crashes: 2, isolatedRescues: 9 });
    expect(await rescueRun(other, await suspect(job._id))).toMatchObject({ to: 'pending' });
    const back = await read(job._id);
    expect(back).toMatchObject({ crashes: 2, isolatedRescues: 9 });
    expect(back.runAt.getTime()).toBeLessThanOrEqual(Date.now() + 100);
  });

  it('T11 fails what did not start in time, pending or queued, and nothing else', async () => {
    const past = new Date(Date.now() - 1_000);
    const running = await start({ startBy: past });
    const back = await start({ startBy: past });
    await end(back, { kind: 'handed-back', delayMs: 60_000 });
    await insert({ startBy: past });
    await claimOne();
    await insert({ startBy: past, runAt: new Date(Date.now() + 60_000) });
    await insert({ startBy: new Date(Date.now() + 60_000), runAt: new Date(Date.now() + 60_000) });
    expect(await expireUnstarted(context, () => undefined)).toHaveLength(2);
    expect(await context.jobs.countDocuments({ status: 'failed' })).toBe(2);
    expect((await read(running._id)).status).toBe('processing');
    expect(await read(back._id)).toMatchObject({ status: 'pending', history: { length: 4 } });
  });
});
