import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { repositoryDir } from './build.ts';

export interface Import {
  /** Path from the repository for a file of the tree, the package's name otherwise. */
  target: string;
  isTypeOnly: boolean;
}

export interface SourceFile {
  /** From the repository: `src/pipeline/load/loader.ts`. */
  path: string;
  text: string;
  /** The text without comments. */
  code: string;
  imports: Import[];
}

/** Every TypeScript file below a folder of the repository. */
export function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(repositoryDir, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => sourceFile(posix.join(folder, name.replaceAll('\\', '/'))));
}

function sourceFile(path: string): SourceFile {
  const text = readFileSync(join(repositoryDir, path), 'utf8');
  const code = withoutComments(text);
  return { path, text, code, imports: importsOf(path, code) };
}

const FROM = /^\s*(?:import|export)\s+(type\s)?[^'";]*?\bfrom\s+'([^']+)'/gm;
const BARE = /^\s*import\s+'([^']+)'/gm;
const DYNAMIC = /(typeof\s+)?\bimport\(\s*'([^']+)'\s*\)/g;

function importsOf(path: string, code: string): Import[] {
  const found: Import[] = [];
  const add = (target: string, isTypeOnly: boolean) => found.push({ target: resolve(path, target), isTypeOnly });
  for (const [, type, target] of code.matchAll(FROM)) add(target!, type !== undefined);
  for (const [, target] of code.matchAll(BARE)) add(target!, false);
  for (const [, type, target] of code.matchAll(DYNAMIC)) add(target!, type !== undefined);
  return found;
}

function resolve(from: string, target: string): string {
  if (target.startsWith('.')) return posix.join(dirname(from), target);
  // '@fastify/swagger/x' and 'mongoose/x' belong to their package.
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Leaves strings and templates alone: they may hold `//`. */
function withoutComments(text: string): string {
  const token = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return text.replace(token, found => (found.startsWith('/') ? '' : found));
}
