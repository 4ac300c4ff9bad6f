import { beforeAll, describe, expect, it } from 'vitest';
import { verifyOnce } from '../../src/cli/verify-once.ts';
import type { VerifyReport } from '../../src/pipeline/verify/run-verification.ts';
import { type TestServers, testConfig } from '../helpers/config.ts';
import { useDatabase, useRedis } from '../helpers/fixtures.ts';
import { Stories } from '../helpers/stories.ts';
import { waitFor } from '../helpers/wait-for.ts';

let servers: TestServers & { redis: Awaited<ReturnType<typeof useRedis>> };
let stories: Stories;

beforeAll(async () => {
  const database = await useDatabase();
  servers = { mongo: database, redis: await useRedis() };
  stories = new Stories(servers, database.db);
});

const range = { below: null, from: null, most: Number.POSITIVE_INFINITY };

describe('verify beside a fleet at work', () => {
  it('finds nothing while 500 jobs run, fail, are flushed out of Redis and lose a worker, and nothing after', async () => {
    const [victim] = await Promise.all([stories.startWorker(), stories.startWorker()]);
    const ids = [
      ...(await stories.insertMany(
        'story:wait',
        Array.from({ length: 400 }, (_, n) => ({ ms: 20 + (n % 200) })),
      )),
      ...(await stories.insertMany(
        'story:fail',
        Array.from({ length: 60 }, (_, n) => ({ times: n % 3 })),
        {
          retry: { strategy: 'fixed', delayMs: 300 },
        },
      )),
      ...(await stories.insertMany(
        'story:fail',
        Array.from({ length: 40 }, () => ({ times: 1, final: true })),
      )),
    ];
    const ended = stories.reachAll(ids);
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    ended.then(over, over);
    const open: VerifyReport[] = [];
    const faults = [() => servers.redis.flushAll(), async () => void victim.kill('SIGKILL')];
    while (!isOver) {
      open.push(await verifyOnce(testConfig(servers), ['default'], { range, jobsPerSecond: 1_000 }));
      await faults.shift()?.();
    }
    await ended;
    const last = await verifyOnce(testConfig(servers), ['default'], { range, jobsPerSecond: 100_000 });
    expect(open.length).toBeGreaterThan(2);
    for (const report of [...open, last]) {
      const found = report.rules.filter(rule => rule.count > 0);
      expect(found, JSON.stringify(found)).toEqual([]);
      expect(report).toMatchObject({ jobs: 500, whole: true, engine: { checked: true } });
    }
    // The checks saw a fleet at work, not an idle one.
    expect(open.some(({ engine }) => engine.checked && engine.lanes[0]!.active > 0)).toBe(true);
  });
});

describe('the background check of a fleet', () => {
  it('logs what is wrong and shows it as a metric, in the API too; the job stays as it is', async () => {
    const every = { VERIFY_INTERVAL_MS: '50', VERIFY_ROUND_MS: '200' };
    const [worker, api] = await Promise.all([
      stories.startWorker(every),
      stories.startApi({ VERIFY_INTERVAL_MS: '0' }),
    ]);
    const id = await stories.insert('story:wait', { ms: 1 });
    await stories.reach(id, 'completed');
    await stories.jobs.updateOne({ _id: id }, { $set: { owner: 'nobody' } });
    const spoilt = await stories.jobs.findOne({ _id: id }, { raw: true });
    const line = await worker.waitForLine(({ log }) => log.rule === 'ended-lease', undefined, { what: 'the drift' });
    expect(line.log).toMatchObject({
      level: 'warn',
      component: 'jobs',
      jobId: id.toHexString(),
      severity: 'broken',
      detail: 'still has owner',
    });
    const metrics = async () => (await fetch(`${api.url}/metrics`)).text();
    await waitFor(async () => (await metrics()).includes('ledgermq_drift{rule="ended-lease",severity="broken"} 1\n'), {
      what: 'the metric',
    });
    expect(await stories.jobs.findOne({ _id: id }, { raw: true })).toEqual(spoilt);
    await stories.jobs.updateOne({ _id: id }, { $unset: { owner: '' } });
    await waitFor(async () => (await metrics()).includes('ledgermq_drift{rule="ended-lease",severity="broken"} 0\n'), {
      what: 'the metric to go back',
    });
    expect(await worker.kill('SIGTERM')).toMatchObject({ code: 0 });
  });
});
