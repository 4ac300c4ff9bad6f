import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { readEnvFiles } from '../../src/config/read-env-files.ts';
import { repositoryDir } from '../helpers/build.ts';

describe('readEnvFiles', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ledgermq-env-'));
    writeFileSync(join(folder, '.env'), 'PORT=1\nHOST=from-file\n# NO=1\n');
    writeFileSync(join(folder, '.env.worker.development'), 'PORT=2\n');
    writeFileSync(join(folder, '.env.worker.production'), 'PORT="3"\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    [{}, '1'],
    [{ WORKER_MODE: 'false', NODE_ENV: 'production' }, '1'],
    [{ WORKER_MODE: 'true' }, '2'],
    [{ WORKER_MODE: 'true', NODE_ENV: 'production' }, '3'],
    [{ WORKER_MODE: 'true', NODE_ENV: '../../production' }, '2'],
    [{ WORKER_MODE: 'true', NODE_ENV: 'test' }, undefined],
  ])('%j reads PORT=%s', (environment, port) => {
    expect(readEnvFiles(environment, folder).PORT).toBe(port);
  });

  it('lets the environment win, changes nothing in it, and drops what is undefined', () => {
    const environment = { PORT: '9', EMPTY: undefined };
    expect(readEnvFiles(environment, folder)).toEqual({ PORT: '9', HOST: 'from-file' });
    expect(environment).toEqual({ PORT: '9', EMPTY: undefined });
    expect(process.env.HOST).not.toBe('from-file');
  });

  it('does without a file, but not with one that cannot be read', () => {
    expect(readEnvFiles({ A: '1' }, join(folder, 'nowhere'))).toEqual({ A: '1' });
    const odd = join(folder, 'odd');
    mkdirSync(join(odd, '.env'), { recursive: true });
    chmodSync(odd, 0o755);
    expect(() => readEnvFiles({}, odd)).toThrow('.env exists and cannot be read');
  });

  it.each([
    ['development', { batchSize: 25, concurrency: 5, intervalMs: 3_000 }],
    ['production', { batchSize: 100, concurrency: 20, intervalMs: 5_000 }],
  ])('the worker files of the repository: %s', (env, worker) => {
    const environment = { WORKER_MODE: 'true', NODE_ENV: env, MONGO_URI: 'mongodb://db' };
    expect(loadConfig(readEnvFiles(environment, repositoryDir)).worker).toMatchObject(worker);
  });
});
