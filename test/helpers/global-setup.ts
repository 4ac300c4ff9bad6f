import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readServerSettings } from '../../src/config/server-settings.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { builtPath, repositoryDir } from './build.ts';
import { importDataDir, importMongo, sharedGuard } from './servers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Connection string of the MongoDB that all files share; each test file makes databases of its own there. */
    mongoUri: string;
    mongoKind: 'configured' | 'mongod' | 'downloaded' | 'embedded';
  }
}

/**
 * Compiles everything once, so that child processes run plain JavaScript, and starts one MongoDB for the whole suite:
 * TEST_MONGO_URI, else what LEDGERMQ_MONGO and MONGOD_BINARY say; TEST_MONGO_URI=none goes without, for tests that need
 * none. MONGO_URI is not looked at: it may be somebody's ledger.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  compile();
  const { TEST_MONGO_URI, LEDGERMQ_MONGO, MONGOD_BINARY, PATH } = process.env;
  if (TEST_MONGO_URI === 'none') return async () => undefined;
  const environment = { NODE_ENV: 'test', MONGO_URI: TEST_MONGO_URI, LEDGERMQ_MONGO, MONGOD_BINARY, PATH };
  const [{ startMongo }, { DataDir, removeAbandoned }, guard] = await Promise.all([
    importMongo(),
    importDataDir(),
    sharedGuard(),
  ]);
  // What earlier runs could not remove because they were killed.
  await removeAbandoned(tmpdir(), 'ledgermq-');
  const dataDir = await DataDir.claim(await mkdtemp(join(tmpdir(), 'ledgermq-suite-')));
  const log = createLogger({ level: 'warn', name: 'test' });
  const mongo = await startMongo({ settings: readServerSettings(environment), guard, dataDir, log });
  process.stdout.write(`MongoDB ${mongo.version} (${mongo.kind}) serves the tests\n`);
  process.env.TEST_MONGO_URI = mongo.uri;
  project.provide('mongoUri', mongo.uri);
  project.provide('mongoKind', mongo.kind);
  return async () => {
    await mongo.stop();
    await guard.stop();
    rmSync(dataDir.path, { recursive: true, force: true });
  };
}

/** Emits JavaScript only; `npm run check:types` is the judge of types. */
function compile(): void {
  execFileSync(
    process.execPath,
    [
      join(repositoryDir, 'node_modules/typescript/bin/tsc'),
      '-p',
      'tsconfig.all.json',
      '--noCheck',
      '--outDir',
      builtPath('.'),
    ],
    { cwd: repositoryDir, stdio: 'inherit' },
  );
}
