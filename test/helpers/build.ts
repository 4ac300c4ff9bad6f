import { fileURLToPath } from 'node:url';

/**
 * Where the compiled tree lies (`src/…`, `test/…`, `bench/…` as .js). Child processes and what starts them run compiled code
 * under plain Node. Helpers that are compiled themselves use the tree they are part of; under vitest it is what
 * global-setup compiled (`.build`, or TEST_BUILD_DIR relative to the repository).
 */
const ROOT = new URL('../../', import.meta.url);
const BUILD = import.meta.url.endsWith('.ts') ? new URL(`${process.env.TEST_BUILD_DIR ?? '.build'}/`, ROOT) : ROOT;

export const repositoryDir = fileURLToPath(ROOT);

/** URL of a compiled file: `builtUrl('src/main.js')`. */
export function builtUrl(file: string): string {
  return new URL(file, BUILD).href;
}

/** Path of a compiled file: `builtPath('test/entries/worker.js')`. */
export function builtPath(file: string): string {
  return fileURLToPath(builtUrl(file));
}
