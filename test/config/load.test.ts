import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { VARIABLES, type VariableName } from '../../src/config/variables.ts';
import { ConfigError } from '../../src/platform/errors.ts';

const BASE = { MONGO_URI: 'mongodb://127.0.0.1/app' };
const load = (environment: Record<string, string | undefined>) => loadConfig({ ...BASE, ...environment });

function problems(environment: Record<string, string | undefined>): readonly string[] {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const folder = mkdtempSync(join(tmpdir(), 'ledgermq-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function secretFile(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const KEY = { name: 'shop', key: 'a-key-of-16-chars-or-more', tenant: 'shop', scopes: ['submit', 'read'] };

describe('loadConfig', () => {
  it('needs nothing but MONGO_URI, and has the documented defaults', () => {
    expect(load({})).toMatchObject({
      env: 'development',
      role: 'publisher',
      http: { host: '127.0.0.1', port: 3002, healthPort: 3003, metricsAuth: false },
      mongo: { uri: BASE.MONGO_URI },
      redis: { host: '127.0.0.1', port: 6379, db: 0, username: null, password: null, tls: false },
      queue: { name: 'app-queue', prefix: '{ledger}', lanes: [] },
      worker: { batchSize: 50, concurrency: 10, intervalMs: 5_000, drainDeadlineMs: 25_000 },
      lease: { leaseMs: 7_500, beatMs: 2_500, graceMs: 3_000, sweepMs: 2_000, queuedLeaseMs: 10_000 },
      verify: { intervalMs: 30_000, roundMs: 600_000 },
      jobDefaults: { maxRetries: 3, retry: { strategy: 'exponential', delayMs: 1_000 }, timeoutMs: 300_000 },
      access: { keys: [], board: null },
    });
  });

  it('is frozen to the bottom', () => {
    const config = load({ API_KEYS: JSON.stringify([KEY]) });
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      expect(Object.isFrozen(value)).toBe(true);
      for (const inner of Object.values(value)) walk(inner);
    };
    walk(config);
    expect(config.access.keys).toHaveLength(1);
  });

  it('has every default within its own bounds', () => {
    for (const [name, variable] of Object.entries(VARIABLES)) {
      if (variable.default === null || variable.default === '') continue;
      expect(problems({ ...BASE, [name]: String(variable.default) }), name).toEqual([]);
    }
  });

  it.each<[VariableName, string, string]>([
    ['PORT', '65536', 'PORT=65536 must be a whole number from 0 to 65535'],
    ['PORT', '-1', 'PORT=-1 must be'],
    ['BATCH_SIZE_JOBS', '0', 'BATCH_SIZE_JOBS=0 must be a whole number from 1 to 1000'],
    ['WORKER_SIZE_JOBS', '2.5', 'WORKER_SIZE_JOBS=2.5 must be'],
    ['WORKER_SIZE_JOBS', 'many', 'WORKER_SIZE_JOBS=many must be'],
    ['WORKER_MODE', 'maybe', 'WORKER_MODE=maybe must be true or false'],
    ['LOG_LEVEL', 'loud', 'LOG_LEVEL=loud must be one of fatal, error'],
    ['MONGO_URI', 'postgres://x', 'MONGO_URI must start with mongodb://'],
    ['QUEUE_NAME', 'a:b', 'QUEUE_NAME letters, digits'],
    ['QUEUES', 'mail,no good', 'QUEUES: "no good" is no lane name'],
    ['BEAT_MS', '2501', 'BEAT_MS must be at most a third of LEASE_MS'],
    ['RETENTION_COMPLETED_MS', '86400000', 'RETENTION_COMPLETED_MS=86400000 must be'],
    ['EXPORT_COLLECTIONS', 'orders,jobs', 'EXPORT_COLLECTIONS must not name jobs'],
    ['BOARD_USER', 'ops', 'BOARD_USER and BOARD_PASSWORD go together'],
    ['HOST', '0.0.0.0', 'HOST=0.0.0.0 is not loopback'],
    ['HOST', '127.0.0.1.example.com', 'is not loopback'],
    ['METRICS_AUTH', 'perhaps', 'METRICS_AUTH true or false'],
  ])('refuses %s=%s', (name, value, problem) => {
    expect(problems({ ...BASE, [name]: value })).toEqual([expect.stringContaining(problem)]);
  });

  it('lists all problems at once and never shows a secret', () => {
    const found = problems({ MONGO_URI: 'http://user:secret@host', PORT: 'x', WORKER_MODE: 'y', API_KEYS: '[secret' });
    expect(found).toHaveLength(4);
    expect(found.join('\n')).not.toContain('secret');
  });

  it('takes an empty value as not set', () => {
    expect(load({ PORT: '', WORKER_MODE: ' ', REDIS_URL: '' }).http.port).toBe(3002);
    expect(problems({ MONGO_URI: '' })).toEqual(['MONGO_URI is required']);
    expect(problems({})).toEqual(['MONGO_URI is required']);
  });

  it('knows the ways to say true and false', () => {
    for (const text of ['true', 'TRUE', '1', 'yes', 'on']) expect(load({ WORKER_MODE: text }).role).toBe('worker');
    for (const text of ['false', '0', 'No', 'off']) expect(load({ WORKER_MODE: text }).role).toBe('publisher');
  });
});

describe('other names', () => {
  it('stand for the main name, in their own unit', () => {
    const config = load({ WORKER_CONCURRENCY: '7', QUEUE_POLL_INTERVAL: '1.5', JOB_TIMEOUT: '30' });
    expect(config.worker).toMatchObject({ concurrency: 7, intervalMs: 1_500 });
    expect(config.jobDefaults.timeoutMs).toBe(30_000);
  });

  it('may agree with the main name and may not contradict it', () => {
    expect(load({ JOB_TIMEOUT: '30', TASK_DEFAULT_TIMEOUT: '30000' }).jobDefaults.timeoutMs).toBe(30_000);
    expect(problems({ ...BASE, WORKER_CONCURRENCY: '7', WORKER_SIZE_JOBS: '8' })).toEqual([
      'WORKER_CONCURRENCY=7 disagrees with WORKER_SIZE_JOBS=8: keep one of them',
    ]);
    expect(problems({ ...BASE, JOB_TIMEOUT: 'soon' })).toEqual(['JOB_TIMEOUT=soon must be a number']);
  });

  it('REDIS_URL sets what it names', () => {
    expect(load({ REDIS_URL: 'rediss://user:p%40ss@cache.example:7000/3' }).redis).toEqual({
      host: 'cache.example',
      port: 7_000,
      db: 3,
      username: 'user',
      password: 'p@ss',
      tls: true,
    });
    expect(load({ REDIS_URL: 'redis://[::1]' }).redis).toMatchObject({ host: '::1', port: 6_379, db: 0, tls: false });
  });

  it('REDIS_URL leaves alone what it does not name, and contradicts what differs', () => {
    const redis = load({ REDIS_URL: 'redis://cache', QUEUE_REDIS_DB: '4', QUEUE_REDIS_PASSWORD: 'pw' }).redis;
    expect(redis).toMatchObject({ host: 'cache', db: 4, password: 'pw' });
    expect(
      problems({ ...BASE, REDIS_URL: 'redis://:url-pw@cache/1', QUEUE_REDIS_DB: '4', QUEUE_REDIS_PASSWORD: 'pw' }),
    ).toEqual([
      'REDIS_URL disagrees with QUEUE_REDIS_DB: keep one of them',
      'REDIS_URL disagrees with QUEUE_REDIS_PASSWORD: keep one of them',
    ]);
  });

  it.each(['http://x', 'redis:', 'redis://:%zz@host', 'nonsense'])('REDIS_URL=%s is refused', url => {
    expect(problems({ ...BASE, REDIS_URL: url })).toEqual([expect.stringContaining('REDIS_URL must look like')]);
  });
});

describe('secrets from files', () => {
  it('are read and trimmed', () => {
    const MONGO_URI_FILE = secretFile('uri', ' mongodb://db/app\n');
    const QUEUE_REDIS_PASSWORD_FILE = secretFile('redis', 'hidden\n');
    const config = loadConfig({ MONGO_URI_FILE, QUEUE_REDIS_PASSWORD_FILE });
    expect(config.mongo.uri).toBe('mongodb://db/app');
    expect(config.redis.password).toBe('hidden');
  });

  it('must exist, hold something, and stand alone', () => {
    expect(problems({ MONGO_URI_FILE: join(folder, 'missing') })).toEqual([
      'MONGO_URI_FILE names a file that cannot be read',
    ]);
    expect(problems({ MONGO_URI_FILE: secretFile('empty', '\n') })).toEqual([
      'MONGO_URI_FILE names a file that is empty',
    ]);
    expect(problems({ ...BASE, MONGO_URI_FILE: secretFile('uri2', 'mongodb://db') })).toEqual([
      'MONGO_URI and MONGO_URI_FILE are both set: keep one of them',
    ]);
  });

  it('are for secrets alone', () => {
    expect(load({ QUEUE_NAME_FILE: secretFile('name', 'other') }).queue.name).toBe('app-queue');
  });
});

describe('keys', () => {
  it('are kept as hashes', () => {
    const sha256 = createHash('sha256').update(KEY.key).digest('hex');
    const { access, http } = load({
      API_KEYS: JSON.stringify([KEY, { ...KEY, key: undefined, name: 'b', sha256: sha256.toUpperCase() }]),
    });
    expect(access.keys.map(entry => entry.sha256)).toEqual([sha256, sha256]);
    expect(JSON.stringify(access)).not.toContain(KEY.key);
    expect(http.host).toBe('0.0.0.0');
  });

  it.each([
    ['{}', 'API_KEYS at /'],
    ['[{', 'API_KEYS is not valid JSON'],
    [JSON.stringify([{ ...KEY, key: 'short' }]), 'API_KEYS at /0/key'],
    [JSON.stringify([{ ...KEY, sha256: 'a'.repeat(64) }]), 'needs exactly one of key, sha256'],
    [JSON.stringify([{ ...KEY, scopes: ['root'] }]), 'API_KEYS at /0/scopes/0'],
    [JSON.stringify([{ ...KEY, scopes: [] }]), 'API_KEYS at /0/scopes'],
    [JSON.stringify([{ ...KEY, extra: 1 }]), 'API_KEYS at /0'],
    [JSON.stringify([KEY, KEY]), 'names must differ'],
  ])('refuses %s', (API_KEYS, problem) => {
    const found = problems({ ...BASE, API_KEYS });
    expect(found).toEqual([expect.stringContaining(problem)]);
    expect(found.join()).not.toContain(KEY.key);
  });

  it('are required of the publisher in production, not of the worker', () => {
    const production = { ...BASE, NODE_ENV: 'production' };
    expect(problems(production)).toEqual(['API_KEYS (or API_KEYS_FILE) is required when NODE_ENV=production']);
    expect(problems({ ...production, WORKER_MODE: 'true' })).toEqual([]);
    expect(problems({ ...production, API_KEYS: JSON.stringify([KEY]) })).toEqual([]);
  });

  it('a short board password is refused', () => {
    expect(problems({ ...BASE, BOARD_USER: 'ops', BOARD_PASSWORD: 'short' })).toEqual([
      'BOARD_PASSWORD must have at least 8 characters',
    ]);
  });

  it('metrics want a key in production unless told otherwise', () => {
    const production = { NODE_ENV: 'production', API_KEYS: JSON.stringify([KEY]) };
    expect(load(production).http.metricsAuth).toBe(true);
    expect(load({ ...production, METRICS_AUTH: 'false' }).http.metricsAuth).toBe(false);
  });
});
