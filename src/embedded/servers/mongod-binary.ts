import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LedgerError } from '../../platform/errors.ts';
import { findInPath, isExecutable } from './find-in-path.ts';

export interface MongodBinary {
  file: string;
  version: string;
  kind: 'mongod' | 'downloaded';
}

const run = promisify(execFile);

/** Where mongodb-memory-server keeps what it once downloaded. */
const DOWNLOAD_FOLDERS = [
  join(homedir(), '.cache', 'mongodb-binaries'),
  join('node_modules', '.cache', 'mongodb-memory-server'),
  'mongodb-binaries',
];

/**
 * A `mongod` that is on this machine already: MONGOD_BINARY, PATH, then earlier downloads (the newest). Never downloads.
 * One that cannot even tell its version does not count; null when there is none.
 * @throws LedgerError `no-mongod` when MONGOD_BINARY names no working `mongod`.
 */
export async function findMongod(options: {
  configured: string | null;
  path: string;
  downloadFolders?: readonly string[];
}): Promise<MongodBinary | null> {
  const { configured } = options;
  if (configured !== null) {
    const version = await versionOf(configured);
    if (version) return { file: configured, version, kind: 'mongod' };
    throw new LedgerError('no-mongod', `MONGOD_BINARY=${configured} is no mongod that runs here`);
  }
  const installed = await findInPath(['mongod'], options.path);
  const version = installed ? await versionOf(installed) : null;
  if (installed && version) return { file: installed, version, kind: 'mongod' };
  return newestDownload(options.downloadFolders ?? DOWNLOAD_FOLDERS);
}

async function newestDownload(folders: readonly string[]): Promise<MongodBinary | null> {
  const found: MongodBinary[] = [];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter(entry => /^mongod-[\w.-]*\d(\.exe)?$/.test(entry))) {
      const file = join(folder, name);
      const version = await versionOf(file);
      if (version) found.push({ file, version, kind: 'downloaded' });
    }
  }
  found.sort((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
  return found[0] ?? null;
}

async function versionOf(file: string): Promise<string | null> {
  if (!(await isExecutable(file))) return null;
  try {
    const { stdout } = await run(file, ['--version'], { timeout: 10_000 });
    return /db version v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? null;
  } catch {
    return null;
  }
}
