import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { TenantFiles } from '../../src/jobs/services/tenant-files.ts';
import { openInside } from '../../src/jobs/services/tenant-path.ts';
import { useTempDir } from './temp-dir.ts';

const root = await useTempDir();

async function tenantFolder(): Promise<string> {
  const dir = await mkdtemp(path.join(root, 'acme'));
  await mkdir(path.join(dir, 'sub'));
  await writeFile(path.join(dir, 'sub/a.txt'), 'inside');
  return dir;
}

async function contentOf(dir: string, relative: string): Promise<{ path: string; text: string }> {
  const file = await openInside(dir, relative, 1_000);
  const text = await file.handle.readFile('utf8');
  await file.handle.close();
  return { path: file.path, text };
}

describe('openInside', () => {
  test('opens a file, also by a link that stays inside', async () => {
    const dir = await tenantFolder();
    await symlink('sub/a.txt', path.join(dir, 'link'));
    await symlink('sub', path.join(dir, 'folder'));
    const inside = { path: 'sub/a.txt', text: 'inside' };
    expect(await contentOf(dir, 'sub/a.txt')).toEqual(inside);
    expect(await contentOf(dir, './sub//a.txt')).toEqual(inside);
    expect(await contentOf(dir, 'link')).toEqual(inside);
    expect(await contentOf(dir, 'folder/a.txt')).toEqual(inside);
  });

  test('refuses links that lead out, of the file or of a folder, and the neighbour whose name starts alike', async () => {
    const dir = await tenantFolder();
    const neighbour = `${dir}2`;
    await mkdir(neighbour);
    await writeFile(path.join(neighbour, 'secret'), 's');
    await symlink('/etc/passwd', path.join(dir, 'passwd'));
    await symlink('/etc', path.join(dir, 'etc'));
    await symlink(path.join(neighbour, 'secret'), path.join(dir, 'secret'));
    await symlink('passwd', path.join(dir, 'twice'));
    for (const name of ['passwd', 'etc/passwd', 'secret', 'twice', '../x', '/etc/passwd', 'a\0']) {
      await expect(openInside(dir, name, 1_000), name).rejects.toMatchObject({ name: 'FORBIDDEN_PATH', retry: false });
    }
  });

  test('refuses the work folder, also through a link', async () => {
    const dir = await tenantFolder();
    await mkdir(path.join(dir, '.ledgermq'));
    await writeFile(path.join(dir, '.ledgermq/half.tmp'), 'x');
    await symlink('.ledgermq', path.join(dir, 'work'));
    for (const name of ['.ledgermq/half.tmp', 'work/half.tmp']) {
      await expect(openInside(dir, name, 1_000)).rejects.toMatchObject({ name: 'FORBIDDEN_PATH' });
    }
  });

  test('ends at once, for good, on what is no readable regular file', async () => {
    const dir = await tenantFolder();
    execFileSync('/usr/bin/env', ['mkfifo', path.join(dir, 'pipe')]);
    await symlink('loop', path.join(dir, 'loop'));
    for (const name of ['missing', 'sub', 'sub/a.txt/b', 'pipe', 'loop', '.', 'x'.repeat(300)]) {
      await expect(openInside(dir, name, 1_000), name).rejects.toMatchObject({ retry: false });
    }
    await expect(openInside(dir, 'sub/a.txt', 5)).rejects.toThrow('has 6 bytes, at most 5');
  });
});

describe('TenantFiles', () => {
  test('makes the folder of a tenant', async () => {
    const dir = path.join(root, 'files/deep');
    expect(await new TenantFiles(dir).tenantDir('acme')).toBe(path.join(dir, 'acme'));
    expect(await readdir(dir)).toEqual(['acme']);
  });

  test.each(['..', '../acme', '', 'a/b', 'a b', 'x'.repeat(65)])('refuses the tenant %j', async tenant => {
    await expect(new TenantFiles(root).tenantDir(tenant)).rejects.toMatchObject({ retry: false });
  });

  test('refuses a folder that is a link to somewhere else', async () => {
    await symlink('/etc', path.join(root, 'mallory'));
    await expect(new TenantFiles(root).tenantDir('mallory')).rejects.toMatchObject({ name: 'FORBIDDEN_PATH' });
  });

  test('removes what crashed runs left a week ago, and nothing younger', async () => {
    const files = path.join(root, 'sweep');
    const work = path.join(files, 'acme/.ledgermq');
    for (const name of ['old', 'young']) await mkdir(path.join(work, name), { recursive: true });
    await writeFile(path.join(work, 'old/x.tmp'), 'x');
    const eightDaysAgo = new Date(Date.now() - 8 * 24 * 3_600_000);
    await utimes(path.join(work, 'old'), eightDaysAgo, eightDaysAgo);
    await new TenantFiles(files).tenantDir('acme');
    expect(await readdir(work)).toEqual(['young']);
  });
});
