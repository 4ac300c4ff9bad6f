import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository, found from the compiled tree (which has no package.json) as well as from the sources. */
export const repositoryDir = findUpwards(dirname(fileURLToPath(import.meta.url)));

function findUpwards(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('no package.json above the chaos harness');
  return findUpwards(parent);
}

/** The compiled process under test, in this tree or in the one of a mutant. */
export function chaosEntry(buildDir: string = fileURLToPath(new URL('../../', import.meta.url))): string {
  return join(buildDir, 'test/entries/chaos-process.js');
}
