import { calculateObjectSize } from 'bson';
import { mongo } from 'mongoose';
import { beforeAll, expect, it } from 'vitest';
import type { LeaseConfig } from '../../../src/config/config.ts';
import { QueueManager } from '../../../src/pipeline/queue/queue-manager.ts';
import { JobEvents } from '../../../src/pipeline/record/job-events.ts';
import { Sweeper } from '../../../src/pipeline/recover/sweeper.ts';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { OutcomeCounters } from '../../../src/pipeline/store/outcome-counters.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { openRedis } from '../../../src/platform/redis.ts';
import { atEnd, useRedis } from '../../helpers/fixtures.ts';
import { newJobDocument } from '../../helpers/job-document.ts';
import { useStore } from '../../helpers/store.ts';
import { waitFor } from '../../helpers/wait-for.ts';

const LARGEST_DOCUMENT = 16 * 2 ** 20;

let context: StoreContext;
let startSweeper: (lease: Partial<LeaseConfig>) => Promise<Sweeper>;
const faults: string[] = [];

beforeAll(async () => {
  const [store, server] = await Promise.all([useStore(), useRedis()]);
  context = store.context;
  const redis = openRedis(
    { host: server.host, port: server.port, db: 0, username: null, password: null, tls: false },
    'producer',
    () => undefined,
  );
  const onError = () => undefined;
  const queueManager = new QueueManager({ redis, prefix: '{test}', queueName: 'q', lanes: ['default'], onError });
  await queueManager.start();
  await waitFor(() => redis.status === 'ready', { what: 'Redis' });
  const events = new JobEvents();
  events.on('fault', ({ error }) => faults.push(String(error)));
  const sweepers: Sweeper[] = [];
  startSweeper = async lease => {
    const sweeper = new Sweeper({
      context,
      ledger: { onInterruption: () => () => undefined, isConnected: () => true },
      queueManager,
      counters: new OutcomeCounters(context, onError),
      events,
      lease: { ...context.lease, leaseMs: 200, graceMs: 100, queuedLeaseMs: 200, ...lease },
      wake: () => undefined,
    });
    sweepers.push(sweeper);
    await sweeper.start();
    return sweeper;
  };
  atEnd(async () => {
    for (const sweeper of sweepers) await sweeper.stop();
    await queueManager.stop();
    redis.disconnect();
  });
});

/** Claimed or running since a minute, by a worker that is gone. */
const left = (status: 'queued' | 'processing', over: Partial<JobDocument> = {}): JobDocument =>
  newJobDocument({
    status,
    token: new mongo.ObjectId(),
    ...(status === 'processing' ? { runKey: new mongo.ObjectId() } : {}),
    owner: 'host:9:gone',
    beatAt: new Date(Date.now() - 60_000),
    leaseMs: 200,
    ...over,
  });

/** With so much in it that `room` bytes are left. */
function filled(job: JobDocument, room: number): JobDocument {
  const metadata = { filler: '' };
  const free = LARGEST_DOCUMENT - calculateObjectSize({ ...job, metadata }) - room;
  return { ...job, metadata: { filler: 'x'.repeat(free) } };
}

it('a run whose lease ends between two sweeps is suspected when it ends, not at the next sweep', async () => {
  const leaseMs = 1_000;
  const job = left('processing', { beatAt: new Date(), leaseMs });
  await context.jobs.insertOne(job);
  const sweeper = await startSweeper({ sweepMs: 60_000 });
  const read = () => context.jobs.findOne({ _id: job._id });
  await waitFor(async () => (await read())?.status === 'pending', { what: 'the rescue' });
  const rescue = (await read())?.history?.at(-1);
  expect(rescue!.at.getTime() - job.beatAt!.getTime()).toBeGreaterThanOrEqual(leaseMs);
  await sweeper.stop();
});

it('a document that cannot take its write keeps no other from being rescued, released or expired', async () => {
  await startSweeper({ sweepMs: 50 });
  const past = new Date(Date.now() - 1_000);
  const older = { beatAt: new Date(Date.now() - 120_000) };
  // No room for the suspicion, none for what follows it, none for a release, none for an expiry.
  const full = [
    filled(left('processing', older), 5),
    filled(left('processing', older), 60),
    filled(left('queued', older), 5),
    filled(newJobDocument({ startBy: past }), 5),
  ];
  const others = [left('processing'), left('queued'), newJobDocument({ startBy: past })];
  for (const job of [...full, ...others]) await context.jobs.insertOne(job);
  const statuses = async () => {
    const found = await context.jobs
      .find({ _id: { $in: others.map(job => job._id) } }, { projection: { status: 1 } })
      .toArray();
    return found.map(job => job.status).sort();
  };
  await waitFor(async () => (await statuses()).join() === 'failed,pending,pending', {
    what: 'the others to be healed',
  });
  for (const { _id } of full) expect(faults.join('\n')).toContain(`job ${_id.toHexString()} cannot be changed`);
});
