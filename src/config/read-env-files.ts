import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { ConfigError } from '../platform/errors.ts';
import { type Environment, isTrue } from './aliases.ts';

/**
 * The environment with the file of its role beneath it: `.env.worker.<NODE_ENV>` when WORKER_MODE is true, `.env`
 * otherwise. What the environment sets wins; nothing is written back to it. A file that is missing is no problem.
 * @throws ConfigError when the file exists and cannot be read
 */
export function readEnvFiles(environment: Environment, folder: string): Record<string, string> {
  const file = join(folder, envFileName(environment));
  const own = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...parse(readIfPresent(file)), ...Object.fromEntries(own) };
}

function envFileName(environment: Environment): string {
  if (!isTrue(environment.WORKER_MODE?.trim() ?? '')) return '.env';
  const env = environment.NODE_ENV?.trim() || 'development';
  return `.env.worker.${/^\w+$/.test(env) ? env : 'development'}`;
}

function readIfPresent(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new ConfigError([`${file} exists and cannot be read`]);
  }
}
