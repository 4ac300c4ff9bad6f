import { mongo } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/run-cli.ts';
import { parseVerifyOptions } from '../../src/cli/verify-options.ts';
import { firstIdOf } from '../../src/pipeline/store/bson.ts';
import type { JobDocument } from '../../src/pipeline/store/job-document.ts';
import { RULES } from '../../src/pipeline/verify/rules.ts';
import { repositoryDir } from '../helpers/build.ts';
import { testEnv } from '../helpers/config.ts';
import { useDatabase, useRedis } from '../helpers/fixtures.ts';
import { newJobDocument } from '../helpers/job-document.ts';
import type { TestDatabase } from '../helpers/mongo.ts';
import type { TestRedis } from '../helpers/redis.ts';

let database: TestDatabase;
let redis: TestRedis;
const now = Date.now();
const later = new Date(now + 3_600_000);
const spoilt = newJobDocument({ runAt: later, token: new mongo.ObjectId() });
const old = newJobDocument({ _id: firstIdOf(now - 7_200_000), runAt: later, runs: 3 });

beforeAll(async () => {
  database = await useDatabase();
  redis = await useRedis();
  expect((await run(['migrate'])).code).toBe(0);
});

async function run(args: string[], over: Record<string, string> = {}) {
  let [out, err] = ['', ''];
  const environment = { ...testEnv({ mongo: database, redis }), ...over };
  const say = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
  };
  const code = await runCli({ args, environment, folder: `${repositoryDir}/test/cli`, ...say });
  return { code, out, err };
}

const jobs = () => database.db.collection<JobDocument>('jobs');

async function withJobs<T>(documents: JobDocument[], work: () => Promise<T>): Promise<T> {
  await jobs().insertMany(documents);
  try {
    return await work();
  } finally {
    await jobs().deleteMany({});
  }
}

describe('ledgermq verify', () => {
  it('0 when clean, with a table of all rules', async () => {
    const { code, out, err } = await withJobs([newJobDocument({ runAt: later })], () => run(['verify']));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const { id, text } of RULES) expect(out).toMatch(new RegExp(`^${id} .* 0  ${text.slice(0, 20)}`, 'm'));
    expect(out).toContain('lane default: the engine holds 0 waiting, 0 active');
    expect(out).toMatch(/^Clean \(1 job, the whole ledger, in \d+\.\d s\)$/m);
  });

  it('1 when something is wrong, with examples', async () => {
    const { code, out } = await withJobs([spoilt, old], () => run(['verify', '--rate', '100']));
    expect(code).toBe(1);
    expect(out).toMatch(/^pending-lease +broken +1 {2}a pending job holds no lease$/m);
    expect(out).toContain(`pending-lease: 1 found\n  ${spoilt._id.toHexString()}  still has token\n`);
    expect(out).toContain(`counts: 1 found\n  ${old._id.toHexString()}  runs is 3, its history has 0\n`);
    expect(out).toMatch(/^DRIFT: 2 found \(2 jobs, the whole ledger/m);
  });

  it('--json is the report and nothing else; --limit and --since narrow the walk', async () => {
    await withJobs([spoilt, old], async () => {
      const all = await run(['verify', '--json']);
      const report = JSON.parse(all.out);
      expect(report).toEqual({
        startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        durationMs: expect.any(Number),
        jobs: 2,
        whole: true,
        drift: 2,
        rules: RULES.map(({ id, severity, text }) => ({
          id,
          severity,
          text,
          count: ['pending-lease', 'counts'].includes(id) ? 1 : 0,
          examples: expect.any(Array),
        })),
        engine: { checked: true, lanes: [{ lane: 'default', waiting: 0, active: 0, isPaused: false, leftovers: 0 }] },
      });
      expect(report.rules.find((rule: { id: string }) => rule.id === 'counts').examples).toEqual([
        {
          rule: 'counts',
          severity: 'broken',
          jobId: old._id.toHexString(),
          lane: 'default',
          detail: expect.any(String),
        },
      ]);
      for (const args of [
        ['--limit', '1'],
        ['--since', '1h'],
        ['--since', new Date(now - 3_600_000).toISOString()],
      ]) {
        const { code, out } = await run(['verify', '--json', ...args]);
        expect([code, JSON.parse(out)], args.join(' ')).toMatchObject([1, { jobs: 1, whole: false, drift: 1 }]);
      }
    });
  });

  it('69 when Redis is away: the ledger is checked all the same, and that is said', async () => {
    const away = { QUEUE_REDIS_PORT: '1' };
    const clean = await run(['verify'], away);
    expect(clean.code).toBe(69);
    expect(clean.out).toContain('THE ENGINE WAS NOT CHECKED: Redis did not answer');
    expect(clean.out).toContain('The ledger is clean');
    expect(await withJobs([spoilt], () => run(['verify'], away))).toMatchObject({ code: 1 });
  });

  it('69 when MongoDB is away, 78 when the configuration is refused', async () => {
    const { code, out, err } = await run(['verify'], { MONGO_URI: 'mongodb://127.0.0.1:1/x' });
    expect({ code, out }).toEqual({ code: 69, out: '' });
    expect(err).toContain('ECONNREFUSED');
    expect(await run(['verify'], { PORT: 'x' })).toMatchObject({ code: 78 });
  });

  it.each([
    [['--limit', '0'], '--limit 0 must be a whole number from 1'],
    [['--limit', '1e3'], '--limit 1e3'],
    [['--rate', '-1'], '--rate'],
    [['--since', 'yesterday'], '--since yesterday must be like 90s'],
    [['--since', '2026-13-45'], '--since 2026-13-45'],
    [['--jsn'], "Unknown option '--jsn'"],
    [['everything'], "Unexpected argument 'everything'"],
    [['--json=yes'], '--json'],
  ])('64 for %j', async (args, words) => {
    const { code, out, err } = await run(['verify', ...args]);
    expect({ code, out }).toEqual({ code: 64, out: '' });
    expect(err.split('\n')[0]).toContain(words);
    expect(err).toContain('Usage: ledgermq');
  });
});

describe('options of verify', () => {
  it('are read', () => {
    expect(parseVerifyOptions([])).toEqual({ json: false, limit: Number.POSITIVE_INFINITY, since: null, rate: 5_000 });
    expect(parseVerifyOptions(['--since=7d', '--rate=10', '--limit=5', '--json'])).toEqual({
      json: true,
      limit: 5,
      since: { agoMs: 7 * 86_400_000 },
      rate: 10,
    });
    expect(parseVerifyOptions(['--since', '2026-05-01T10:00:00Z'])).toMatchObject({
      since: { at: Date.UTC(2026, 4, 1, 10) },
    });
  });
});
