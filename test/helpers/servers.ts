import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataDir } from '../../src/embedded/servers/data-dir.ts';
import type { ProcessGuard } from '../../src/embedded/servers/process-guard.ts';
import { builtUrl } from './build.ts';

/** Modules that start processes find their entry files beside themselves, so tests take them from the compiled tree. */
async function built<Module>(file: string): Promise<Module> {
  return (await import(builtUrl(`src/embedded/servers/${file}`))) as Module;
}

export const importStartServers = () =>
  built<typeof import('../../src/embedded/servers/start-servers.ts')>('start-servers.js');
export const importMongo = () => built<typeof import('../../src/embedded/servers/mongo.ts')>('mongo.js');
export const importRedisServer = () =>
  built<typeof import('../../src/embedded/servers/redis-server.ts')>('redis-server.js');
export const importDataDir = () => built<typeof import('../../src/embedded/servers/data-dir.ts')>('data-dir.js');
export const importRedis = () => built<typeof import('../../src/embedded/servers/redis.ts')>('redis.js');
const importGuard = () => built<typeof import('../../src/embedded/servers/process-guard.ts')>('process-guard.js');

let guard: Promise<ProcessGuard> | null = null;

/** One guard for all that this process starts: whatever way it dies, its children die with it. */
export function sharedGuard(): Promise<ProcessGuard> {
  guard ??= importGuard().then(async ({ ProcessGuard }) => {
    const started = new ProcessGuard();
    await started.start();
    return started;
  });
  return guard;
}

export interface ScratchDir {
  dataDir: DataDir;
  remove: () => Promise<void>;
}

/** A data folder of its own under the system's temporary folder. */
export async function scratchDataDir(): Promise<ScratchDir> {
  const { DataDir } = await importDataDir();
  const path = await mkdtemp(join(tmpdir(), 'ledgermq-'));
  const dataDir = await DataDir.claim(path);
  return { dataDir, remove: () => rm(path, { recursive: true, force: true }) };
}
