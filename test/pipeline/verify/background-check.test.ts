import { mongo } from 'mongoose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { driftMetrics } from '../../../src/http/drift-metrics.ts';
import { JobEvents } from '../../../src/pipeline/record/job-events.ts';
import { type CheckRecord, readCheckRecord } from '../../../src/pipeline/store/check-record.ts';
import { migrate } from '../../../src/pipeline/store/migrate.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { BackgroundCheck, type BackgroundCheckOptions } from '../../../src/pipeline/verify/background-check.ts';
import type { Finding } from '../../../src/pipeline/verify/findings.ts';
import { RULES } from '../../../src/pipeline/verify/rules.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { LANES, useVerifySetting, type VerifySetting } from './verify-setting.ts';

let setting: VerifySetting;
const running: BackgroundCheck[] = [];

beforeAll(async () => {
  setting = await useVerifySetting();
});

beforeEach(async () => {
  const { db, jobs } = setting.context;
  await jobs.deleteMany({});
  await Promise.all(['checks', 'leases'].map(name => db.collection(name).deleteMany({})));
});

afterEach(async () => {
  await Promise.all(running.splice(0).map(check => check.stop()));
});

/** The check in a process of this name; `found` are its events. */
function check(name: string, over: Partial<BackgroundCheckOptions> = {}) {
  const events = new JobEvents();
  const found: Finding[] = [];
  const faults: unknown[] = [];
  events.on('drift', finding => found.push(finding));
  events.on('fault', ({ error }) => faults.push(error));
  const context: StoreContext = { ...setting.context, processId: name };
  const { engine } = setting;
  const options = { context, engine, lanes: LANES, events, intervalMs: 1, roundMs: 100, pageJobs: 2, ...over };
  const service = new BackgroundCheck(options);
  running.push(service);
  return { service, found, faults };
}

const record = () => readCheckRecord(setting.context);

async function reachRecord(what: string, wanted: (record: CheckRecord) => boolean): Promise<CheckRecord> {
  return waitFor(
    async () => {
      const now = await record();
      return now && wanted(now) ? now : null;
    },
    { what },
  );
}

describe('the background check', () => {
  it('is made by one process of the fleet, again and again; the ledger holds what it found, the log some of it', async () => {
    for (let n = 0; n < 13; n += 1) await setting.pending();
    await setting.context.jobs.updateMany({}, { $set: { token: new mongo.ObjectId() } });
    const checks = ['host:1:a', 'host:2:b'].map(name => check(name));
    await Promise.all(checks.map(({ service }) => service.start()));
    const first = await reachRecord('the first round', ({ last }) => last !== null);
    expect(first.last).toMatchObject({
      jobs: 13,
      found: { 'pending-lease': 13 },
      leftovers: 0,
      below: expect.anything(),
    });
    const second = await reachRecord('the second round', ({ last }) => last!.finishedAt! > first.last!.finishedAt!);
    expect(second.last).toMatchObject({ jobs: 13, found: { 'pending-lease': 13 } });
    await Promise.all(checks.map(({ service }) => service.stop()));
    const told = checks.map(({ found }) => found.length).sort((a, b) => a - b);
    expect(told[0]).toBe(0);
    // Ten lines a rule and round.
    expect(told[1]! % 10).toBe(0);
    expect(told[1]).toBeGreaterThan(10);
    expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
    expect(await setting.context.jobs.countDocuments({ status: 'pending', token: { $exists: true } })).toBe(13);
  });

  it('goes on where another process left it, with what that one had found', async () => {
    for (let n = 0; n < 12; n += 1) await setting.pending();
    await setting.context.jobs.updateOne({}, { $set: { token: new mongo.ObjectId() } });
    const first = check('host:1:a', { intervalMs: 200 });
    await first.service.start();
    await waitFor(() => setting.context.db.collection('leases').findOne({ owner: 'host:1:a' }), {
      what: 'the first process to be elected',
    });
    await first.service.stop();
    const left = (await record())!;
    expect(left.last).toBeNull();
    expect(left.round!.jobs).toBeLessThan(12);
    await setting.context.db
      .collection<CheckRecord>('checks')
      .updateOne({ _id: 'verify' }, { $set: { 'round.found': { counts: 4 } } });
    await check('host:2:b').service.start();
    const { last } = await reachRecord('the round to end', ({ last: ended }) => ended !== null);
    expect(last).toMatchObject({
      jobs: 12,
      found: { counts: 4, 'pending-lease': 1 },
      startedAt: left.round!.startedAt,
    });
  });

  it('rests between rounds, whichever process made the last one', async () => {
    await setting.pending();
    const roundMs = 700;
    // So late that the first look, which comes within 700 ms, has to wait.
    const finishedAt = new Date(setting.context.clock.now().getTime() + 800);
    const last = { startedAt: new Date(0), finishedAt, below: null, jobs: 1, found: {}, leftovers: null };
    await setting.context.db.collection<CheckRecord>('checks').insertOne({ _id: 'verify', round: null, last });
    await check('host:1:a', { roundMs }).service.start();
    const next = (
      await reachRecord('a round', record => record.last!.jobs === 1 && record.last!.startedAt > last.startedAt)
    ).last!;
    expect(next.startedAt.getTime() - finishedAt.getTime()).toBeGreaterThanOrEqual(roundMs - 1);
  });

  it('does nothing at interval 0', async () => {
    await setting.pending();
    const off = check('host:1:a', { intervalMs: 0 });
    await off.service.start();
    await check('host:2:b').service.start();
    await reachRecord('a round of the other one', ({ last }) => last !== null);
    await setting.context.db.collection<{ _id: string }>('leases').deleteOne({ _id: 'verify' });
    await running.pop()!.stop();
    expect(await setting.context.db.collection('leases').countDocuments({ owner: 'host:1:a' })).toBe(0);
  });

  it('goes on when the ledger can be read again', async () => {
    await setting.pending();
    const one = check('host:1:a');
    await one.service.start();
    await reachRecord('a round', ({ last }) => last !== null);
    await setting.context.jobs.dropIndex('lease');
    await waitFor(() => one.faults.length > 0, { what: 'the fault to be told' });
    await migrate(setting.context);
    const before = (await record())!.last!.finishedAt!;
    await reachRecord('another round', ({ last }) => last!.finishedAt! > before);
  });

  it('stops and starts at any time', async () => {
    for (let n = 0; n < 6; n += 1) await setting.pending();
    const one = check('host:1:a');
    for (let n = 0; n < 20; n += 1) {
      await one.service.start();
      await new Promise(resolve => setImmediate(resolve));
      await Promise.all([one.service.stop(), one.service.stop()]);
    }
    await one.service.start();
    await reachRecord('a round', ({ last }) => last !== null);
    expect(one.faults).toEqual([]);
  });
});

describe('its metrics', () => {
  const value = (text: string, families: Awaited<ReturnType<typeof driftMetrics>>) =>
    families.find(family => family.name === text)?.samples;

  it('are nothing before the first look, then every rule, as the ledger has them', async () => {
    expect(await driftMetrics(setting.context)).toEqual([]);
    await setting.pending();
    await setting.context.jobs.updateMany({}, { $set: { token: new mongo.ObjectId() } });
    await check('host:1:a').service.start();
    const { last } = await reachRecord('a round', ({ last: ended }) => ended !== null);
    const families = await driftMetrics(setting.context);
    expect(value('ledgermq_drift', families)).toEqual(
      RULES.map(({ id, severity }) => ({ labels: { rule: id, severity }, value: id === 'pending-lease' ? 1 : 0 })),
    );
    expect(value('ledgermq_drift_checked_jobs', families)).toEqual([{ value: 1 }]);
    expect(value('ledgermq_engine_leftovers', families)).toEqual([{ value: 0 }]);
    const [seconds] = value('ledgermq_drift_check_timestamp_seconds', families)!;
    expect(seconds!.value).toBeGreaterThanOrEqual(last!.finishedAt!.getTime() / 1_000);
  });

  it('show what is stuck now, and what is broken in either round', async () => {
    const round = { startedAt: new Date(), finishedAt: null, below: null, jobs: 5, leftovers: null };
    await setting.context.db.collection<CheckRecord>('checks').insertOne({
      _id: 'verify',
      last: { ...round, finishedAt: new Date(), found: { 'one-end': 2, counts: 3, 'lane-moves': 1, 'lease-swept': 4 } },
      round: { ...round, found: { 'one-end': 5, counts: 1, 'lease-swept': 6 } },
    });
    const families = await driftMetrics(setting.context);
    const samples = value('ledgermq_drift', families)!.filter(sample => sample.value > 0);
    expect(samples.map(sample => [sample.labels!.rule, sample.value])).toEqual([
      ['one-end', 5],
      ['counts', 3],
      ['lease-swept', 6],
    ]);
    expect(value('ledgermq_engine_leftovers', families)).toBeUndefined();
  });
});
