import { BSON } from 'bson';
import { mongo } from 'mongoose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { redriveJob } from '../../../src/pipeline/store/job-operations.ts';
import { rescueRun } from '../../../src/pipeline/store/recovery-store.ts';
import { outcomeWrite, runOf, writeOutcomes } from '../../../src/pipeline/store/run-outcomes.ts';
import { newRunKey, openStartGate } from '../../../src/pipeline/store/start-gate.ts';
import { Findings } from '../../../src/pipeline/verify/findings.ts';
import { Verification } from '../../../src/pipeline/verify/verification.ts';
import { LANES, useVerifySetting, type VerifySetting } from './verify-setting.ts';

let setting: VerifySetting;

beforeAll(async () => {
  setting = await useVerifySetting();
});

beforeEach(async () => {
  await setting.context.jobs.deleteMany({});
});

const error = { name: 'Error', message: 'no', attempt: 1, retryable: true, at: new Date() };
const ALL = { below: null, from: null, most: Number.POSITIVE_INFINITY };

function begin(findings: Findings): Verification {
  const { context, engine } = setting;
  return new Verification({ context, engine, lanes: LANES, findings, pageJobs: 3, range: ALL });
}

describe('a check', () => {
  it('counts nothing that is well at the second look, and nothing that is gone', async () => {
    const [repaired, deleted, spoilt] = [await setting.ended(), await setting.ended(), await setting.ended()];
    const { jobs } = setting.context;
    await jobs.updateMany({}, { $set: { token: new mongo.ObjectId() } });
    const findings = new Findings();
    for await (const { waitMs } of begin(findings).steps()) {
      if (waitMs === 0) continue;
      await jobs.updateOne({ _id: repaired._id }, { $unset: { token: '' } });
      await jobs.deleteOne({ _id: deleted._id });
    }
    expect(findings.counts()).toEqual({ 'ended-lease': 1 });
    const [example] = findings.table().find(rule => rule.id === 'ended-lease')!.examples;
    expect(example).toMatchObject({ jobId: spoilt._id.toHexString(), detail: 'still has token' });
  });

  it('counts nothing as stuck that moved between its looks, though it is late still', async () => {
    const job = await setting.processing();
    const { jobs } = setting.context;
    const beat = (agoMs: number) =>
      jobs.updateOne({ _id: job._id }, { $set: { beatAt: new Date(Date.now() - agoMs) } });
    await beat(3_600_000);
    const findings = new Findings();
    for await (const { waitMs } of begin(findings).steps()) if (waitMs > 0) await beat(1_800_000);
    expect(findings.counts()).toEqual({});
    for await (const step of begin(findings).steps()) expect(step).toBeDefined();
    expect(findings.counts()).toEqual({ 'lease-swept': 1 });
  });

  it('finds a true history of every kind in order', async () => {
    const { context } = setting;
    const retried = await setting.ended({ kind: 'retry', error, delayMs: 3_600_000 });
    await setting.ended({ kind: 'handed-back', delayMs: 3_600_000 });
    await setting.ended({ kind: 'child-died', error, poisoned: true, delayMs: 0 });
    const failed = await setting.ended({ kind: 'failed', error });
    await redriveJob(context, failed._id.toHexString(), null);
    await context.jobs.updateOne({ _id: failed._id }, { $set: { runAt: retried.runAt } });
    const run = await setting.processing();
    const suspectAt = new Date();
    await context.jobs.updateOne({ _id: run._id }, { $set: { suspectAt } });
    await rescueRun(context, { ...run, beatAt: run.beatAt!, suspectAt });
    const late = { kind: 'completed', result: 1, late: true } as const;
    const end = outcomeWrite(context, { run: runOf(run, run.runKey!), outcome: late });
    expect(await writeOutcomes(context, [end], false)).toBe(1);
    // What somebody else inserted has neither history nor counters.
    const foreign = { type: 'a:b', queue: 'default', status: 'pending', priority: 5, tenant: 't', payload: 1 } as const;
    const runAt = retried.runAt;
    await context.db.collection('jobs').insertMany([
      { ...foreign, runAt },
      { ...foreign, runAt, status: 'pending' },
    ]);
    await setting.ended({ kind: 'completed', result: null }, { history: undefined, historySeq: undefined } as never);
    const { findings, report } = await setting.verify();
    expect(findings).toEqual([]);
    expect(report.jobs).toBe(8);
  });

  it('knows a history that was cut from one that is whole', async () => {
    const { context, repository } = setting;
    const retry = { kind: 'retry', error, delayMs: 0 } as const;
    let job = await setting.ended(retry, { maxRetries: 30 });
    for (let attempt = 1; attempt < 20; attempt += 1) {
      const [claimed] = await repository.loadNextBatch('default', 1);
      const [run] = await openStartGate(context, [claimed!], newRunKey());
      await writeOutcomes(context, [outcomeWrite(context, { run: runOf(run!, run!.runKey!), outcome: retry })], false);
      job = await setting.read(job);
    }
    expect([job.history!.length, job.historySeq, job.runs, job.failures]).toEqual([50, 61, 20, 20]);
    expect((await setting.verify()).findings).toEqual([]);
    await context.jobs.updateOne({ _id: job._id }, { $set: { runs: 3 } });
    expect((await setting.verify()).findings).toMatchObject([
      { rule: 'counts', detail: 'runs is 3, its history has 17' },
    ]);
  });

  it('changes not one byte of any job', async () => {
    await setting.ended();
    await setting.ended({ kind: 'failed', error });
    await setting.pending();
    const spoilt = await setting.processing();
    await setting.context.jobs.updateOne(
      { _id: spoilt._id },
      { $set: { beatAt: new Date(0), expireAt: new Date(9e12) } },
    );
    const bytes = async () => {
      const raw = await setting.context.jobs.find({}, { sort: { _id: 1 }, raw: true }).toArray();
      return raw.map(document => Buffer.from(document as unknown as Uint8Array).toString('hex'));
    };
    const before = await bytes();
    expect(before.map(hex => BSON.deserialize(Buffer.from(hex, 'hex')).status)).toContain('completed');
    expect((await setting.verify()).report.drift).toBe(2);
    expect(await bytes()).toEqual(before);
  });
});

describe('the walk', () => {
  it('goes from the newest to the oldest, as far as it is asked to', async () => {
    const jobs = [];
    for (let n = 0; n < 8; n += 1) jobs.push(await setting.pending());
    const of = async (range: Partial<typeof ALL>) => (await setting.verify({ range: { ...ALL, ...range } })).report;
    expect(await of({})).toMatchObject({ jobs: 8, whole: true });
    expect(await of({ most: 5 })).toMatchObject({ jobs: 5, whole: false });
    expect(await of({ from: jobs[5]!._id as never })).toMatchObject({ jobs: 3, whole: false });
    expect(await of({ below: jobs[5]!._id as never })).toMatchObject({ jobs: 5, whole: false });
    await setting.context.jobs.updateOne({ _id: jobs[1]!._id }, { $set: { beatAt: new Date() } });
    expect(await of({ most: 6 })).toMatchObject({ drift: 0 });
    expect(await of({ most: 7 })).toMatchObject({ drift: 1 });
  });

  it('can be gone on with where another one was', async () => {
    for (let n = 0; n < 10; n += 1) await setting.pending();
    const first = begin(new Findings());
    const steps = first.steps();
    await steps.next();
    await steps.next();
    expect(first.progress.jobs).toBe(6);
    const { report } = await setting.verify({ range: { ...ALL, below: first.progress.below } });
    expect(report.jobs).toBe(4);
  });

  it('keeps to its pace', async () => {
    for (let n = 0; n < 21; n += 1) await setting.pending();
    const { report } = await setting.verify({ jobsPerSecond: 40 });
    // Two pages of seven are waited for; the last one ends the walk.
    expect(report.durationMs).toBeGreaterThan(340);
  });
});
