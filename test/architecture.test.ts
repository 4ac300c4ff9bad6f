import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repositoryDir } from './helpers/build.ts';
import { type Import, sourceFiles } from './helpers/source-files.ts';

type FileUnderTest = ReturnType<typeof sourceFiles>[number];

const files = sourceFiles('src');
const everywhere = [...files, ...sourceFiles('test'), ...sourceFiles('bench')];

/**
 * Who may import whom. `types` names what only `import type` may reach. A step of the pipeline never imports the next step:
 * the composition roots (worker, publisher) hand it over. Nothing imports `embedded`: production images do not carry it.
 */
const STEP_TYPES = [
  'config',
  'jobs',
  'pipeline/submit',
  'pipeline/load',
  'pipeline/queue',
  'pipeline/run',
  'pipeline/record',
  'pipeline/recover',
  'pipeline/verify',
];
const PIPELINE = ['pipeline/store', ...STEP_TYPES.filter(area => area.startsWith('pipeline/'))];
const FOLDERS: Readonly<Record<string, { imports: readonly string[]; types?: readonly string[] }>> = {
  platform: { imports: [], types: ['config'] },
  config: { imports: ['platform'] },
  jobs: { imports: ['platform'], types: ['config'] },
  'pipeline/store': { imports: ['platform'], types: ['config', 'jobs', 'pipeline/queue'] },
  'pipeline/submit': { imports: ['platform', 'jobs', 'pipeline/store'], types: STEP_TYPES },
  'pipeline/load': { imports: ['platform', 'pipeline/store'], types: STEP_TYPES },
  'pipeline/queue': { imports: ['platform', 'pipeline/store'], types: STEP_TYPES },
  'pipeline/run': { imports: ['platform', 'config', 'jobs', 'pipeline/store'], types: STEP_TYPES },
  'pipeline/record': { imports: ['platform', 'pipeline/store'], types: STEP_TYPES },
  'pipeline/recover': { imports: ['platform', 'pipeline/store'], types: STEP_TYPES },
  'pipeline/verify': { imports: ['platform', 'pipeline/store'], types: STEP_TYPES },
  http: { imports: ['platform', 'config', 'jobs', ...PIPELINE] },
  scheduler: { imports: ['platform', 'config', 'jobs', ...PIPELINE] },
  publisher: { imports: ['platform', 'config', 'jobs', 'http', 'scheduler', ...PIPELINE] },
  worker: { imports: ['platform', 'config', 'jobs', 'http', 'scheduler', ...PIPELINE] },
  cli: { imports: ['platform', 'config', 'jobs', 'pipeline/store', 'pipeline/queue', 'pipeline/verify'] },
  'embedded/servers': { imports: ['platform', 'config'] },
  'embedded/documents': { imports: [] },
  'embedded/wire-server': { imports: ['embedded/documents'] },
  embedded: { imports: ['platform', 'config', 'jobs', 'embedded/servers', 'run-process.ts'] },
  'run-process.ts': { imports: ['platform', 'config', 'jobs', 'publisher', 'worker'] },
  'main.ts': { imports: ['jobs', 'run-process.ts'] },
};

/** Where a package may be imported; `types` where only its types may. Packages without a row are free. */
const ANYWHERE = [''];
const PACKAGES: Readonly<Record<string, { in: readonly string[]; types?: readonly string[] }>> = {
  mongoose: { in: ['src/pipeline/store/', 'src/platform/mongo.ts'], types: ANYWHERE },
  mongodb: { in: [] },
  bullmq: { in: ['src/pipeline/queue/', 'src/pipeline/run/', 'src/http/board.ts'] },
  ioredis: { in: ['src/platform/redis.ts', 'src/embedded/servers/'], types: ANYWHERE },
  fastify: { in: ['src/publisher/', 'src/http/'] },
  'fastify-type-provider-zod': { in: ['src/publisher/', 'src/http/'] },
  '@fastify/swagger': { in: ['src/publisher/', 'src/http/'] },
  '@fastify/swagger-ui': { in: ['src/publisher/', 'src/http/'] },
  '@bull-board/api': { in: ['src/http/'] },
  '@bull-board/fastify': { in: ['src/http/'] },
  pino: { in: ['src/platform/logger.ts'] },
  dotenv: { in: ['src/config/'] },
  nodemailer: { in: ['src/jobs/'] },
  sharp: { in: ['src/jobs/'] },
};

/** Global things that belong to few places. */
const GLOBALS: readonly { what: string; pattern: RegExp; in: readonly string[] }[] = [
  {
    what: 'process.env',
    pattern: /\bprocess\.env\b/,
    in: ['src/config/', 'src/main.ts', 'src/cli/main.ts', 'src/embedded/demo/main.ts'],
  },
  { what: 'console', pattern: /\bconsole\./, in: ['src/cli/', 'src/embedded/'] },
  { what: 'process.exit', pattern: /\bprocess\.exit\(/, in: ['src/main.ts', 'src/run-process.ts', 'src/embedded/'] },
  { what: 'a default export', pattern: /^export default\b/m, in: [] },
  { what: 'an unfinished mark', pattern: /\b(TODO|FIXME|XXX)\b/, in: [] },
];

const isIn = (path: string, places: readonly string[]) => places.some(place => path.startsWith(place));

/** `src/pipeline/load/loader.ts` → `pipeline/load`; a file directly in src is its own area. */
function areaOf(path: string): string {
  const [, first = '', second] = path.split('/');
  const nested = `${first}/${second}`;
  return nested in FOLDERS ? nested : first;
}

function folderViolation(path: string, { target, isTypeOnly }: Import): string | null {
  if (!target.startsWith('src/')) return null;
  const [from, to] = [areaOf(path), areaOf(target)];
  if (from === to) return null;
  const row = FOLDERS[from];
  if (row?.imports.includes(to) || (isTypeOnly && row?.types?.includes(to))) return null;
  return `${path} may not import ${isTypeOnly ? 'types of ' : ''}${target}`;
}

function packageViolation(path: string, { target, isTypeOnly }: Import): string | null {
  const row = Object.hasOwn(PACKAGES, target) ? PACKAGES[target] : undefined;
  if (!row || isIn(path, row.in) || (isTypeOnly && isIn(path, row.types ?? []))) return null;
  return `${path} may not import ${isTypeOnly ? 'types of ' : ''}${target}`;
}

function violations(tree: readonly FileUnderTest[], rule: (path: string, found: Import) => string | null): string[] {
  return tree.flatMap(file => file.imports.map(found => rule(file.path, found)).filter(text => text !== null));
}

describe('the tree', () => {
  it('has a row for every folder', () => {
    const areas = new Set(files.map(file => areaOf(file.path)));
    expect([...areas].filter(area => !(area in FOLDERS))).toEqual([]);
    expect(areas.size).toBeGreaterThan(5);
  });

  it('has folders by role and kebab-case names', () => {
    const names = files.flatMap(file => file.path.split('/').slice(1));
    expect(names.filter(name => /^(utils?|helpers?|common|shared|misc|types|interfaces)(\.ts)?$/.test(name))).toEqual(
      [],
    );
    expect(names.filter(name => !/^[a-z0-9]+(-[a-z0-9]+)*(\.ts)?$/.test(name))).toEqual([]);
  });
});

describe('the embedded server', () => {
  const embedded = files.filter(({ path }) => /^src\/embedded\/(documents|wire-server)\//.test(path));
  const linesOf = ({ text }: FileUnderTest) => text.split('\n').length - 1;

  it('stays a small database', () => {
    const database = embedded.filter(({ path }) => path.includes('/wire-server/'));
    expect(database.length).toBeGreaterThan(20);
    expect(database.reduce((sum, file) => sum + linesOf(file), 0)).toBeLessThanOrEqual(3_500);
  });

  it('has small files', () => {
    expect(embedded.filter(file => linesOf(file) > 300).map(({ path }) => path)).toEqual([]);
  });
});

describe('imports', () => {
  it('between folders follow the table', () => {
    expect(violations(files, folderViolation)).toEqual([]);
  });

  it('of packages follow the table', () => {
    expect(violations(files, packageViolation)).toEqual([]);
  });

  it('name files with .ts', () => {
    const relative = everywhere.flatMap(file =>
      file.imports.filter(({ target }) => /^(src|test|bench)\//.test(target)),
    );
    expect(relative.filter(({ target }) => !target.endsWith('.ts'))).toEqual([]);
    expect(relative.length).toBeGreaterThan(50);
  });

  it('of production code are dependencies, not development dependencies', () => {
    const { dependencies } = JSON.parse(readFileSync(join(repositoryDir, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const missing = files
      .filter(file => !file.path.startsWith('src/embedded/'))
      .flatMap(file => file.imports.filter(({ isTypeOnly }) => !isTypeOnly).map(({ target }) => target))
      .filter(target => !target.startsWith('src/') && !target.startsWith('node:') && !(target in dependencies));
    expect(missing).toEqual([]);
  });
});

describe('globals and marks', () => {
  it.each(GLOBALS)('$what only where it belongs', ({ pattern, in: places }) => {
    expect(files.filter(file => pattern.test(file.code) && !isIn(file.path, places)).map(file => file.path)).toEqual(
      [],
    );
  });

  it('a switched-off rule has a reason beside it', () => {
    const bare = everywhere.flatMap(file => unexplained(file.text).map(line => `${file.path}: ${line}`));
    expect(bare).toEqual([]);
  });
});

/** Comments that switch a rule off without saying why. */
function unexplained(text: string): string[] {
  const lint = text.match(/(?:\/\/|\/\*)\s*(?:oxlint-disable|eslint-disable|biome-ignore).*/g) ?? [];
  const types = text.match(/\/\/\s*@ts-(?:ignore|expect-error|nocheck).*/g) ?? [];
  return [
    ...lint.filter(comment => !/(?:--|:)\s*\S+\s+\S+/.test(comment)),
    ...types.filter(comment => !/@ts-[a-z-]+:?\s+\S+\s+\S+/.test(comment)),
  ];
}

describe('the rules themselves', () => {
  const by = (target: string, isTypeOnly = false): Import => ({ target, isTypeOnly });

  it('see imports of every kind', () => {
    const start = files.find(file => file.path === 'src/cli/run-cli.ts');
    expect(start?.imports).toContainEqual(by('src/config/describe.ts'));
    expect(start?.imports).toContainEqual(by('src/cli/migrate-once.ts'));
    const settings = files.find(file => file.path === 'src/config/server-settings.ts');
    expect(settings?.imports).toContainEqual(by('src/config/config.ts', true));
  });

  it('bite', () => {
    const worker = 'src/worker/standalone-worker.ts';
    expect(folderViolation(worker, by('src/publisher/app.ts'))).toMatch(/may not import src\/publisher/);
    expect(folderViolation('src/publisher/app.ts', by(worker, true))).toMatch(/may not import types of/);
    expect(folderViolation('src/embedded/wire-server/journal.ts', by('src/platform/errors.ts'))).not.toBeNull();
    expect(folderViolation('src/embedded/documents/match.ts', by('src/embedded/wire-server/store.ts'))).not.toBeNull();
    expect(folderViolation('src/pipeline/load/loader.ts', by('src/pipeline/queue/queue-manager.ts'))).not.toBeNull();
    expect(folderViolation('src/pipeline/load/loader.ts', by('src/pipeline/queue/queue-manager.ts', true))).toBeNull();
    expect(folderViolation('src/main.ts', by('src/embedded/servers/redis.ts'))).not.toBeNull();
    expect(packageViolation(worker, by('mongoose'))).not.toBeNull();
    expect(packageViolation(worker, by('mongoose', true))).toBeNull();
    expect(packageViolation(worker, by('bullmq', true))).not.toBeNull();
    const mark = `// ${'oxlint'}-disable-next-line max-lines-per-function`;
    expect(unexplained(mark)).toHaveLength(1);
    expect(unexplained(`// ${'@ts'}-ignore`)).toHaveLength(1);
    expect(unexplained(`${mark} -- one table, longer than it is hard`)).toEqual([]);
  });
});
