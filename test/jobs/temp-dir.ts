import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

/** A folder for one test file, as a real path. */
export async function useTempDir(): Promise<string> {
  const dir = await realpath(await mkdtemp(path.join(tmpdir(), 'ledgermq-jobs-')));
  afterAll(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
