import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { findMongod } from '../../src/embedded/servers/mongod-binary.ts';
import { atEnd } from '../helpers/fixtures.ts';
import { importMongo, scratchDataDir, sharedGuard } from '../helpers/servers.ts';

const { startMongo } = await importMongo();
const earlierDownload = await findMongod({ configured: null, path: '' });

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ledgermq-mongod-'));
  atEnd(async () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program that tells a version as mongod does, and fails at everything else. */
function fakeMongod(folder: string, name: string, version: string): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n[ "$1" = --version ] && echo "db version v${version}" && exit 0\nexit 3\n`);
  chmodSync(file, 0o755);
  return file;
}

async function start(options: {
  choice: 'auto' | 'mongod' | 'embedded';
  binary?: string;
  path?: string;
  mongoUri?: string;
}) {
  const { dataDir, remove } = await scratchDataDir();
  atEnd(remove);
  const warnings: unknown[][] = [];
  const warn = (...line: unknown[]) => void warnings.push(line);
  const running = await startMongo({
    settings: {
      mongoUri: options.mongoUri ?? null,
      embedded: { mongo: options.choice, mongodBinary: options.binary ?? null },
      path: options.path ?? '/nowhere',
    },
    guard: await sharedGuard(),
    dataDir,
    log: { warn },
  });
  atEnd(() => running.stop());
  return { running, warnings };
}

describe('findMongod', () => {
  it('takes MONGOD_BINARY, else PATH, else the newest download', async () => {
    const folder = scratch();
    const configured = fakeMongod(folder, 'mine', '6.0.1');
    const installed = fakeMongod(join(folder, 'bin'), 'mongod', '7.0.2');
    fakeMongod(join(folder, 'old'), 'mongod-x64-debian-7.0.24', '7.0.24');
    const newest = fakeMongod(join(folder, 'new'), 'mongod-x64-debian-8.2.6', '8.2.6');
    writeFileSync(join(folder, 'new', 'mongod-x64-debian-8.2.6.md5'), 'not a program');
    const downloadFolders = [join(folder, 'old'), join(folder, 'missing'), join(folder, 'new')];
    const path = `/nowhere:${join(folder, 'bin')}`;
    const found = { file: configured, version: '6.0.1', kind: 'mongod' };
    expect(await findMongod({ configured, path, downloadFolders })).toEqual(found);
    expect(await findMongod({ configured: null, path, downloadFolders })).toMatchObject({ file: installed });
    expect(await findMongod({ configured: null, path: '', downloadFolders })).toEqual({
      file: newest,
      version: '8.2.6',
      kind: 'downloaded',
    });
    expect(await findMongod({ configured: null, path: '', downloadFolders: [] })).toBeNull();
  });

  it('passes over a program that is no mongod, unless it was named', async () => {
    const folder = scratch();
    const broken = join(folder, 'mongod');
    writeFileSync(broken, '#!/bin/sh\nexit 1\n');
    chmodSync(broken, 0o755);
    expect(await findMongod({ configured: null, path: folder, downloadFolders: [] })).toBeNull();
    await expect(findMongod({ configured: broken, path: '' })).rejects.toMatchObject({ code: 'no-mongod' });
  });
});

describe('startMongo', () => {
  it('takes MONGO_URI, and says when that cannot be used', async () => {
    const mongoUri = inject('mongoUri');
    const { running } = await start({ choice: 'embedded', mongoUri });
    expect(running).toMatchObject({ kind: 'configured', uri: mongoUri });
    const away = start({ choice: 'auto', mongoUri: 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200' });
    await expect(away).rejects.toMatchObject({ code: 'mongo-unreachable' });
  });

  it('starts the embedded ledger server when asked, and when there is no mongod', async () => {
    expect((await start({ choice: 'embedded' })).running.kind).toBe('embedded');
  });

  it('does not look for another when MONGOD_BINARY is wrong', async () => {
    await expect(start({ choice: 'auto', binary: '/nowhere/mongod' })).rejects.toMatchObject({ code: 'no-mongod' });
  });

  it.skipIf(earlierDownload !== null)(
    'never downloads: LEDGERMQ_MONGO=mongod without one says what to do',
    async () => {
      await expect(start({ choice: 'mongod' })).rejects.toThrow(/no mongod was found[\s\S]*LEDGERMQ_MONGO=download/);
    },
  );

  it('turns to the embedded ledger server when the mongod found does not start, but not when one was insisted on', async () => {
    const binary = fakeMongod(scratch(), 'mongod', '7.0.2');
    const { running, warnings } = await start({ choice: 'auto', binary });
    expect(running.kind).toBe('embedded');
    expect(warnings).toEqual([[{ err: expect.any(String) }, expect.stringContaining('embedded ledger server')]]);
    await expect(start({ choice: 'mongod', binary })).rejects.toMatchObject({ code: 'server-failed' });
  });

  it.skipIf(!['mongod', 'downloaded'].includes(inject('mongoKind')))('starts a mongod of this machine', async () => {
    const { running } = await start({ choice: 'mongod', path: process.env.PATH ?? '' });
    expect(running.kind).toMatch(/mongod|downloaded/);
  });
});
