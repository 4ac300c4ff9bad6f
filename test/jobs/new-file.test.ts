import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { NewFile, type NewFileOptions } from '../../src/jobs/services/new-file.ts';
import { hexId } from './handler-context.ts';
import { useTempDir } from './temp-dir.ts';

const root = await useTempDir();
const text = (content: string) => Buffer.from(content);

let runs = 0;

async function write(tenantDir: string, content: string, overrides: Partial<NewFileOptions> = {}) {
  runs += 1;
  const file = await NewFile.create({
    tenantDir,
    path: 'out.csv',
    jobId: hexId(1),
    runKey: hexId(runs),
    maxBytes: 100,
    ...overrides,
  });
  try {
    await file.write(text(content));
    return await file.publish();
  } finally {
    await file.close();
  }
}

test('appears whole, with its size and hash, and leaves no temporary file', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  const file = await NewFile.create({
    tenantDir: dir,
    path: 'out.csv',
    jobId: hexId(1),
    runKey: hexId(2),
    maxBytes: 100,
  });
  await file.write(text('a,'));
  expect(await readdir(dir)).toEqual(['.ledgermq']);
  await file.write(text('b'));
  expect(await file.publish()).toEqual({
    path: 'out.csv',
    bytes: 3,
    sha256: createHash('sha256').update('a,b').digest('hex'),
  });
  await file.close();
  expect(await readFile(path.join(dir, 'out.csv'), 'utf8')).toBe('a,b');
  expect(await readdir(path.join(dir, '.ledgermq', hexId(1)))).toEqual(['published']);
});

test('never replaces a file of somebody else, nor writes through a link', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  await writeFile(path.join(dir, 'out.csv'), 'precious');
  await expect(write(dir, 'new')).rejects.toMatchObject({
    message: '"out.csv" exists already and is not replaced',
    retry: false,
  });
  expect(await readFile(path.join(dir, 'out.csv'), 'utf8')).toBe('precious');
  await unlink(path.join(dir, 'out.csv'));
  await symlink(path.join(root, 'elsewhere'), path.join(dir, 'out.csv'));
  await expect(write(dir, 'new')).rejects.toMatchObject({ retry: false });
  expect(await readdir(root)).not.toContain('elsewhere');
});

test('a later run of the same job replaces its leftover, another job does not', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  await write(dir, 'first');
  await write(dir, 'second');
  await write(dir, 'third');
  expect(await readFile(path.join(dir, 'out.csv'), 'utf8')).toBe('third');
  await expect(write(dir, 'other', { jobId: hexId(9) })).rejects.toThrow('exists already');
  expect(await readFile(path.join(dir, 'out.csv'), 'utf8')).toBe('third');
});

test('a file that took the place of the leftover is no leftover', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  await write(dir, 'first');
  await writeFile(path.join(dir, 'theirs'), 'theirs');
  await unlink(path.join(dir, 'out.csv'));
  await rename(path.join(dir, 'theirs'), path.join(dir, 'out.csv'));
  await expect(write(dir, 'second')).rejects.toThrow('exists already');
});

test('a new run removes the half-written file of a crashed one; that one can no longer publish', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  const options = { tenantDir: dir, path: 'out.csv', jobId: hexId(1), maxBytes: 100 };
  const zombie = await NewFile.create({ ...options, runKey: 'zombie' });
  await zombie.write(text('half'));
  await write(dir, 'whole');
  await expect(zombie.publish()).rejects.toThrow('taken over');
  await zombie.close();
  expect(await readFile(path.join(dir, 'out.csv'), 'utf8')).toBe('whole');
});

test('stops at its size limit', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  await expect(write(dir, 'x'.repeat(101))).rejects.toMatchObject({ retry: false });
  expect(await readdir(path.join(dir, '.ledgermq', hexId(1)))).toEqual([]);
});

test('refuses a work folder or a target folder that is a link', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  const elsewhere = await mkdtemp(path.join(root, 'e'));
  await symlink(elsewhere, path.join(dir, 'sub'));
  await expect(write(dir, 'x', { path: 'sub/out.csv' })).rejects.toMatchObject({ name: 'FORBIDDEN_PATH' });
  expect(await readdir(elsewhere)).toEqual([]);
  const other = await mkdtemp(path.join(root, 't'));
  await symlink(elsewhere, path.join(other, '.ledgermq'));
  await expect(write(other, 'x')).rejects.toMatchObject({ name: 'FORBIDDEN_PATH' });
});

test('writes into a folder of the tenant', async () => {
  const dir = await mkdtemp(path.join(root, 't'));
  await mkdir(path.join(dir, 'sub'));
  expect((await write(dir, 'x', { path: 'sub/out.csv' })).path).toBe('sub/out.csv');
});
