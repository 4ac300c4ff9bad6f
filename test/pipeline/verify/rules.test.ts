import { mongo } from 'mongoose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HistoryEntry, JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { migrate } from '../../../src/pipeline/store/migrate.ts';
import { newRunKey } from '../../../src/pipeline/store/start-gate.ts';
import { RULES } from '../../../src/pipeline/verify/rules.ts';
import { useVerifySetting, type VerifySetting } from './verify-setting.ts';

let setting: VerifySetting;

beforeAll(async () => {
  setting = await useVerifySetting();
});

beforeEach(async () => {
  await setting.context.jobs.deleteMany({});
  await setting.redis.flushAll();
});

const LONG_AGO = new Date(Date.now() - 3 * 86_400_000);
const error = { name: 'Error', message: 'no', attempt: 1, retryable: true, at: new Date() };
const retry = { kind: 'retry', error, delayMs: 3_600_000 } as const;

type State = 'pending' | 'queued' | 'processing' | 'completed' | 'failed';
type Update = mongo.UpdateFilter<JobDocument>;

/** A state that the product's own writes made, and the one direct write that spoils it. */
interface Damage {
  rule: string;
  of: State;
  what: string;
  write: Update | ((job: JobDocument) => Update);
  /** Other rules that cannot but see it too. */
  also?: string[];
}

const history = (over: Partial<HistoryEntry>): HistoryEntry => ({
  at: new Date(),
  from: 'processing',
  to: 'completed',
  by: 'x',
  via: 'T5',
  ...over,
});

const DAMAGES: readonly Damage[] = [
  {
    rule: 'known-status',
    of: 'pending',
    what: 'a status of its own',
    write: { $set: { status: 'lost' as never } },
    also: ['history-end'],
  },
  { rule: 'ended-fields', of: 'completed', what: 'no expireAt', write: { $unset: { expireAt: '' } } },
  {
    rule: 'ended-fields',
    of: 'failed',
    what: 'finishedAt as a text',
    write: { $set: { finishedAt: 'today' as never } },
  },
  { rule: 'ended-lease', of: 'completed', what: 'a token', write: { $set: { token: new mongo.ObjectId() } } },
  { rule: 'ended-lease', of: 'failed', what: 'a startBy', write: { $set: { startBy: new Date() } } },
  {
    rule: 'open-end',
    of: 'pending',
    what: 'an expireAt',
    write: { $set: { expireAt: new Date(Date.now() + 60_000) } },
  },
  { rule: 'open-end', of: 'processing', what: 'a finishedAt', write: { $set: { finishedAt: new Date() } } },
  { rule: 'pending-lease', of: 'pending', what: 'a beat', write: { $set: { beatAt: new Date() } } },
  { rule: 'queued-lease', of: 'queued', what: 'no token', write: { $unset: { token: '' } } },
  { rule: 'queued-lease', of: 'queued', what: 'a suspicion', write: { $set: { suspectAt: new Date() } } },
  { rule: 'processing-lease', of: 'processing', what: 'no beat', write: { $unset: { beatAt: '' } } },
  {
    rule: 'processing-lease',
    of: 'processing',
    what: 'a text for its lease',
    write: { $set: { leaseMs: '5' as never } },
  },
  {
    rule: 'retries',
    of: 'failed',
    what: 'fewer retries than failures',
    write: { $set: { failures: 5 } },
    also: ['counts'],
  },
  {
    rule: 'lane-known',
    of: 'pending',
    what: 'a lane of nobody',
    write: { $set: { queue: 'nobody', runAt: LONG_AGO } },
  },
  {
    rule: 'history-table',
    of: 'processing',
    what: 'a change that the table does not know',
    write: {
      $push: { history: history({ via: 'T9', to: 'completed' }) },
      $inc: { historySeq: 1 },
      $set: { status: 'completed' },
    },
    also: ['ended-fields', 'ended-lease', 'run-key'],
  },
  {
    rule: 'history-table',
    of: 'completed',
    what: 'a change that does not follow',
    write: job => ({ $push: { history: history({ runKey: job.runKey! }) }, $inc: { historySeq: 1 } }),
    also: ['one-end'],
  },
  { rule: 'history-end', of: 'completed', what: 'another status', write: { $set: { status: 'failed' } } },
  { rule: 'history-length', of: 'pending', what: 'a count beside its history', write: { $inc: { historySeq: 3 } } },
  { rule: 'history-length', of: 'pending', what: 'a text for a count', write: { $set: { historySeq: 'x' as never } } },
  { rule: 'run-key', of: 'pending', what: 'the key of no run', write: { $set: { runKey: newRunKey() } } },
  { rule: 'run-key', of: 'completed', what: "another run's key", write: { $set: { runKey: newRunKey() } } },
  {
    rule: 'run-key',
    of: 'processing',
    what: 'the outcome of a run that lost it',
    write: {
      $push: { history: history({ runKey: newRunKey() }) },
      $inc: { historySeq: 1 },
      $set: { status: 'completed', finishedAt: new Date(), expireAt: new Date(Date.now() + 60_000) },
      $unset: { token: '', owner: '', beatAt: '', leaseMs: '' },
    },
  },
  { rule: 'counts', of: 'completed', what: 'a run more than its history', write: { $inc: { runs: 1 } } },
  { rule: 'counts', of: 'completed', what: 'a life more than its history', write: { $inc: { runSeq: 1 } } },
  { rule: 'lease-swept', of: 'processing', what: 'a beat long ago', write: { $set: { beatAt: LONG_AGO } } },
  {
    rule: 'queued-in-engine',
    of: 'queued',
    what: 'a beat long ago, and nothing in the engine',
    write: { $set: { beatAt: LONG_AGO } },
  },
  { rule: 'expiry-swept', of: 'pending', what: 'a startBy long ago', write: { $set: { startBy: LONG_AGO } } },
];

function inState(state: State): Promise<JobDocument> {
  if (state === 'completed') return setting.ended();
  if (state === 'failed') return setting.ended({ kind: 'failed', error }, { maxRetries: 1 });
  return setting[state]();
}

/** Without the validator, as somebody who means to. */
const spoil = (job: JobDocument, write: Update) =>
  setting.context.jobs.updateOne({ _id: job._id }, write, { bypassDocumentValidation: true });

describe('what a direct write has spoilt', () => {
  it('is found, by the rule that is meant for it, once', async () => {
    const spoilt = [];
    for (const damage of DAMAGES) spoilt.push({ damage, job: await inState(damage.of) });
    const clean = await setting.verify();
    expect(clean.findings).toEqual([]);
    expect(clean.report).toMatchObject({ drift: 0, jobs: DAMAGES.length, whole: true, engine: { checked: true } });
    for (const { damage, job } of spoilt) {
      await spoil(job, typeof damage.write === 'function' ? damage.write(job) : damage.write);
    }
    const { findings, report } = await setting.verify();
    const found = spoilt.map(({ damage, job }) => ({
      what: `${damage.of} with ${damage.what}`,
      rules: findings
        .filter(finding => finding.jobId === job._id.toHexString())
        .map(({ rule }) => rule)
        .sort(),
    }));
    expect(found).toEqual(
      DAMAGES.map(({ rule, of, what, also = [] }) => ({ what: `${of} with ${what}`, rules: [rule, ...also].sort() })),
    );
    expect(report.drift).toBe(findings.length);
    expect(report.rules.map(({ id, count }) => [id, count])).toEqual(
      RULES.map(({ id }) => [id, findings.filter(finding => finding.rule === id).length]),
    );
  });

  it('has a case here for every rule of a job', () => {
    const elsewhere = ['lane-moves', 'engine-window', 'ended-removed'];
    const cases = new Set([...DAMAGES.flatMap(({ rule, also = [] }) => [rule, ...also]), ...elsewhere]);
    expect(RULES.map(rule => rule.id).filter(id => !cases.has(id))).toEqual([]);
    expect(cases.size).toBe(RULES.length);
  });
});

describe('lanes', () => {
  it('that nobody loads are found; a paused one and one with work in the engine are not', async () => {
    const waiting = {
      runAt: LONG_AGO,
      history: [history({ from: null, to: 'pending', via: 'T0', at: LONG_AGO })],
    };
    const job = await setting.pending(waiting);
    await setting.pending({ ...waiting, queue: 'mail' });
    expect((await setting.verify()).findings).toMatchObject([
      { rule: 'lane-moves', lane: 'default', jobId: null, detail: expect.stringContaining(job._id.toHexString()) },
      { rule: 'lane-moves', lane: 'mail' },
    ]);
    await setting.engine.addJob('default', {
      id: new mongo.ObjectId(),
      token: new mongo.ObjectId(),
      type: 'a:b',
      version: 1,
    });
    const lanes = setting.context.db.collection<{ _id: string; pausedAt: Date }>('lanes');
    await lanes.insertOne({ _id: 'mail', pausedAt: new Date() });
    expect((await setting.verify()).findings).toEqual([]);
    await lanes.deleteMany({});
  });

  it('with a job that was due long ago and has just been put back are fine', async () => {
    await setting.pending({ runAt: LONG_AGO });
    expect((await setting.verify()).findings).toEqual([]);
  });

  it('whose window is out of bounds are found', async () => {
    const list = `{test}:${setting.engine.nameOf('mail')}:wait`;
    const entries = Array.from({ length: 10_001 }, (_, index) => `x${index}`);
    await setting.redis.client().rpush(list, ...entries);
    const { findings, report } = await setting.verify();
    expect(findings).toMatchObject([{ rule: 'engine-window', lane: 'mail', detail: '10001 jobs wait in the engine' }]);
    expect(report.engine).toMatchObject({
      lanes: [{ leftovers: 0 }, { lane: 'mail', waiting: 10_001, leftovers: 2_000 }],
    });
  });

  it('leftovers are numbers, not findings', async () => {
    const ended = await setting.ended();
    const queued = await setting.queued();
    const ticket = { id: queued._id, token: queued.token!, type: 'a:b', version: 1 };
    await setting.engine.addJobs('default', [
      ticket,
      { ...ticket, token: new mongo.ObjectId() },
      { ...ticket, id: ended._id },
    ]);
    const { findings, report } = await setting.verify();
    expect(findings).toEqual([]);
    expect(report.engine).toMatchObject({
      lanes: [{ lane: 'default', waiting: 3, active: 0, leftovers: 2 }, { lane: 'mail' }],
    });
  });
});

describe('a claimed job', () => {
  it('that the engine still holds long after its lease is stuck too, by another rule', async () => {
    const job = await setting.queued();
    await setting.engine.addJob('default', { id: job._id, token: job.token!, type: job.type, version: 1 });
    await spoil(job, { $set: { beatAt: LONG_AGO } });
    expect((await setting.verify()).findings).toMatchObject([{ rule: 'lease-swept', jobId: job._id.toHexString() }]);
  });

  it('that waits for its retry is nothing to talk of', async () => {
    await setting.ended(retry);
    expect((await setting.verify()).findings).toEqual([]);
  });
});

describe('a job that has ended', () => {
  it('long past its expireAt is found: MongoDB removes nothing, because the index is gone', async () => {
    await setting.context.jobs.dropIndex('ttl');
    const job = await setting.ended();
    await spoil(job, { $set: { expireAt: LONG_AGO } });
    expect((await setting.verify()).findings).toMatchObject([{ rule: 'ended-removed', jobId: job._id.toHexString() }]);
    await migrate(setting.context);
  });
});
