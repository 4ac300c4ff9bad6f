import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Mutant } from './mutants.ts';

/** What the processes under test are made of. */
const SOURCES = ['src', 'bench/chaos', 'test/entries/chaos-process.ts'];

/**
 * Makes a patched copy of the sources in `.mutant/<name>` and compiles it there; answers the folder of the compiled tree.
 * @throws Error when a patch does not fit its file exactly once, or the copy does not compile.
 */
export async function buildMutant(repositoryDir: string, mutant: Mutant): Promise<string> {
  const folder = join(repositoryDir, '.mutant', mutant.name);
  rmSync(folder, { recursive: true, force: true });
  for (const source of SOURCES) {
    mkdirSync(dirname(join(folder, source)), { recursive: true });
    cpSync(join(repositoryDir, source), join(folder, source), { recursive: true });
  }
  for (const { file, find, replace } of mutant.patches) {
    const path = join(folder, file);
    writeFileSync(path, applyPatch(readFileSync(path, 'utf8'), { file, find, replace }));
  }
  const tsconfig = {
    extends: '../../tsconfig.json',
    compilerOptions: { noEmit: false, rootDir: '.', outDir: 'build' },
    include: ['test/entries/chaos-process.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
  const tsc = join(repositoryDir, 'node_modules/typescript/bin/tsc');
  // A patch may leave a name unused; types were checked before it.
  await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--noCheck']);
  return join(folder, 'build/');
}

/** @throws Error when the text to find is not there exactly once: then the mutant would be no mutant. */
export function applyPatch(text: string, { file, find, replace }: Mutant['patches'][number]): string {
  const found = text.split(find).length - 1;
  if (found !== 1) throw new Error(`${file} has the text to patch ${found} times: adapt the mutant to the source`);
  return text.replace(find, () => replace);
}
