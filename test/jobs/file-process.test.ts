import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeEach, describe, expect, test } from 'vitest';
import { TenantFiles } from '../../src/jobs/services/tenant-files.ts';
import { handlerContext, handlerOf, hexId } from './handler-context.ts';
import { useTempDir } from './temp-dir.ts';

const root = await useTempDir();
const files = new TenantFiles(root);
const run = handlerOf('file:process');
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

let tenant = '';
let dir = '';
let tenants = 0;
beforeEach(async () => {
  tenants += 1;
  tenant = `tenant-${tenants}`;
  dir = await files.tenantDir(tenant);
});

const context = (overrides: object = {}) => handlerContext({ files }, { tenant, ...overrides });

test('checksum is what it does without being told', async () => {
  const data = randomBytes(1_000_000);
  await mkdir(path.join(dir, 'sub'));
  await writeFile(path.join(dir, 'sub/a.bin'), data);
  const expected = { path: 'sub/a.bin', bytes: 1_000_000, sha256: sha256(data) };
  expect(await run({ path: 'sub/a.bin' }, context())).toEqual(expected);
  expect(await readdir(dir)).toEqual(['sub']);
});

describe('gzip', () => {
  test('stands beside the input and unpacks to it', async () => {
    const data = Buffer.from('line\n'.repeat(500_000));
    await mkdir(path.join(dir, 'sub'));
    await writeFile(path.join(dir, 'sub/a.txt'), data);
    const result = await run({ path: 'sub/a.txt', operation: 'gzip' }, context());
    const packed = await readFile(path.join(dir, 'sub/a.txt.gz'));
    expect(result).toEqual({
      path: 'sub/a.txt.gz',
      bytes: packed.length,
      sha256: sha256(packed),
      originalBytes: data.length,
    });
    expect(gunzipSync(packed).equals(data)).toBe(true);
    expect((await readFile(path.join(dir, 'sub/a.txt'))).equals(data)).toBe(true);
  });

  test('replaces nothing, but for the leftover of an earlier run of the job', async () => {
    await writeFile(path.join(dir, 'a'), 'x');
    const first = await run({ path: 'a', operation: 'gzip' }, context({ jobId: hexId(77) }));
    expect(await run({ path: 'a', operation: 'gzip' }, context({ jobId: hexId(77) }))).toEqual(first);
    await expect(run({ path: 'a', operation: 'gzip' }, context())).rejects.toMatchObject({
      message: /exists already/,
      retry: false,
    });
  });
});

describe('thumbnail', () => {
  const picture = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#c33' } });

  test.each(['jpeg', 'png', 'webp', 'tiff', 'gif', 'avif'] as const)('of a %s', async format => {
    await picture(640, 320).toFormat(format).toFile(path.join(dir, 'photo.img'));
    const result = await run({ path: 'photo.img', operation: 'thumbnail' }, context());
    const made = await readFile(path.join(dir, 'photo.thumb-256x256.webp'));
    expect(result).toEqual({
      path: 'photo.thumb-256x256.webp',
      bytes: made.length,
      sha256: sha256(made),
      width: 256,
      height: 128,
    });
    expect(await sharp(made).metadata()).toMatchObject({ format: 'webp', width: 256, height: 128 });
  });

  test('takes size and format, and never scales up', async () => {
    await picture(100, 50).png().toFile(path.join(dir, 'a.png'));
    const big = await run({ path: 'a.png', operation: 'thumbnail', width: 64, height: 64, format: 'jpeg' }, context());
    expect(big).toMatchObject({ path: 'a.thumb-64x64.jpeg', width: 64, height: 32 });
    const small = await run({ path: 'a.png', operation: 'thumbnail', width: 500, format: 'png' }, context());
    expect(small).toMatchObject({ path: 'a.thumb-500x256.png', width: 100, height: 50 });
  });

  test('refuses for good: no picture, SVG, a damaged one, a bomb of pixels, too many bytes', async () => {
    await writeFile(path.join(dir, 'text'), 'no picture');
    await writeFile(
      path.join(dir, 'svg'),
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    );
    const whole = await picture(600, 600).jpeg().toBuffer();
    await writeFile(path.join(dir, 'damaged'), whole.subarray(0, 700));
    await picture(9_000, 9_000).png().toFile(path.join(dir, 'bomb'));
    await writeFile(path.join(dir, 'large'), Buffer.alloc(32 * 1024 ** 2 + 1));
    for (const name of ['text', 'svg', 'damaged', 'bomb', 'large']) {
      const job = run({ path: name, operation: 'thumbnail' }, context());
      await expect(job, name).rejects.toMatchObject({ name: 'TaskError', retry: false });
    }
    expect((await readdir(dir)).filter(name => name.includes('thumb'))).toEqual([]);
  });
});

test('a link out of the folder fails for good, whatever the operation', async () => {
  await symlink('/etc/passwd', path.join(dir, 'link'));
  for (const operation of ['checksum', 'gzip', 'thumbnail']) {
    await expect(run({ path: 'link', operation }, context())).rejects.toMatchObject({
      name: 'FORBIDDEN_PATH',
      retry: false,
    });
  }
});

test('the file of another tenant cannot be reached', async () => {
  await writeFile(path.join(dir, 'mine'), 'x');
  await expect(run({ path: 'mine' }, context({ tenant: 'somebody' }))).rejects.toMatchObject({
    message: /no such file/,
    retry: false,
  });
  await expect(run({ path: `../${tenant}/mine` }, context({ tenant: 'somebody' }))).rejects.toMatchObject({
    name: 'forbidden-path',
    retry: false,
  });
});

test.each(['checksum', 'gzip'])(
  'an abort ends %s early with the signal’s reason and leaves nothing',
  async operation => {
    await writeFile(path.join(dir, 'big'), randomBytes(64 * 1024 ** 2));
    const ctx = context();
    const reason = new Error('timeout');
    const running = run({ path: 'big', operation }, ctx);
    setImmediate(() => ctx.abort(reason));
    await expect(running).rejects.toBe(reason);
    const left = await readdir(dir, { recursive: true, withFileTypes: true });
    expect(left.filter(entry => entry.isFile()).map(entry => entry.name)).toEqual(['big']);
  },
);
