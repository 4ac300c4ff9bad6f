import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeConfiguration } from '../src/config/describe.ts';
import { ALIASES, VARIABLES, type Variable } from '../src/config/variables.ts';
import { repositoryDir } from './helpers/build.ts';

const read = (path: string) => readFileSync(join(repositoryDir, path), 'utf8');

const documents = [
  ...readdirSync(repositoryDir).filter(name => name.endsWith('.md')),
  ...readdirSync(join(repositoryDir, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
];
const environmentFiles = readdirSync(repositoryDir).filter(name =>
  /^\.env\.(worker|compose\.example|example)/.test(name),
);

/** Names that are written like variables and are none of LedgerMQ's. */
const FOREIGN_NAMES = new Set([
  // Read by tools and tests, not by LedgerMQ.
  'TEST_MONGO_URI',
  'TEST_BUILD_DIR',
  'TEST_FULL',
  'MODEL_STEPS',
  'MODEL_SEED',
  'API_PORT',
  // Words of the code and of others' protocols.
  'JOB_HANDLERS',
  'NODE_OPTIONS',
  'FLUSHALL',
]);

function isKnown(name: string): boolean {
  if (name in VARIABLES || name in ALIASES || name === 'REDIS_URL' || FOREIGN_NAMES.has(name)) return true;
  const secretOf = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : null;
  if (secretOf === null || !(secretOf in VARIABLES)) return false;
  const variable: Variable = VARIABLES[secretOf as keyof typeof VARIABLES];
  return variable.kind === 'text' && variable.secret === true;
}

/** In prose: names in backquotes or with a value after them. */
function namesIn(text: string): string[] {
  const found = [...text.matchAll(/(?:`|\b)([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?=`|=)/g)];
  return [...new Set(found.map(match => match[1]!))];
}

/** Targets of Markdown links and images that are files of the repository. */
function linksIn(text: string): string[] {
  const prose = text.replace(/```[\s\S]*?```/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(match => match[1]!)
    .filter(target => !/^([a-z]+:|#)/i.test(target));
}

describe('docs/configuration.md', () => {
  it('is what the code says (`npx ledgermq config-docs > docs/configuration.md` after a build)', () => {
    expect(read('docs/configuration.md')).toBe(describeConfiguration());
  });

  it('has every variable and every other name', () => {
    const text = describeConfiguration();
    for (const name of [...Object.keys(VARIABLES), ...Object.keys(ALIASES)]) expect(text).toContain(`\`${name}\``);
  });
});

describe.each(documents)('%s', document => {
  it('links to files and headings that exist', () => {
    const broken = linksIn(read(document)).filter(target => {
      const [file = '', heading] = target.split('#');
      const path = join(dirname(document), decodeURIComponent(file));
      if (!existsSync(join(repositoryDir, path))) return true;
      return heading !== undefined && path.endsWith('.md') && !headingsOf(read(path)).has(heading);
    });
    expect(broken).toEqual([]);
  });

  it('names variables that exist', () => {
    expect(namesIn(read(document)).filter(name => !isKnown(name))).toEqual([]);
  });
});

describe.each(environmentFiles)('%s', file => {
  it('sets variables that exist', () => {
    const names = [...read(file).matchAll(/^\s*(?:#\s*)?([A-Z][A-Z0-9_]*)=/gm)].map(match => match[1]!);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter(name => !isKnown(name))).toEqual([]);
  });
});

/** Anchors as code forges make them. */
function headingsOf(text: string): Set<string> {
  const titles = [...text.matchAll(/^#{1,6}\s+(.+)$/gm)].map(match => match[1]!);
  return new Set(
    titles.map(title =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}

describe('the checks themselves', () => {
  it('bite', () => {
    expect(namesIn('set `WORKER_SIZE` or QUEUE_SIZE=5 but not THE_END.')).toEqual(['WORKER_SIZE', 'QUEUE_SIZE']);
    expect(isKnown('WORKER_SIZE')).toBe(false);
    expect(isKnown('MONGO_URI_FILE')).toBe(true);
    expect(isKnown('QUEUE_NAME_FILE')).toBe(false);
    expect(linksIn('[a](b.md#c) ![d](e.svg) [f](https://g) [h](#i)\n```\n[x](y)\n```')).toEqual(['b.md#c', 'e.svg']);
    expect(headingsOf('# Names you may know, `here`!\n')).toEqual(new Set(['names-you-may-know-here']));
    expect(documents).toContain('docs/configuration.md');
    expect(environmentFiles).toContain('.env.worker.production');
  });
});
