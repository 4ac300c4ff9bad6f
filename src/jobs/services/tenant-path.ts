import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import path from 'node:path';
import { RefusedError } from '../../platform/errors.ts';
import { TaskError } from '../task-error.ts';

/** Folder inside a tenant's folder for half-written files; no payload may name it. */
export const WORK_FOLDER = '.ledgermq';

/** A path leads out of the tenant's folder. */
export class ForbiddenPathError extends TaskError {
  constructor(message = 'the path leads out of the folder of its tenant') {
    super(message, { retry: false });
    this.name = 'FORBIDDEN_PATH';
  }
}

/**
 * What can be told of a path from its text: absolute ones (also of Windows), `..`, backslashes and control characters are
 * refused. Answers why, or null. Symbolic links are looked at when the file is opened.
 */
function pathProblem(text: string): string | null {
  if (/[\p{Cc}\u2028\u2029]/u.test(text)) return 'a path must not contain control characters';
  if (text.includes('\\')) return 'a path must not contain backslashes';
  if (text.startsWith('/') || /^[a-z]:/i.test(text)) return 'a path must be relative';
  const segments = text.split('/');
  if (segments.includes('..')) return 'a path must not contain ..';
  return segments.find(segment => segment !== '.' && segment !== '') === WORK_FOLDER
    ? `${WORK_FOLDER} is reserved`
    : null;
}

/** @throws RefusedError `forbidden-path`; what is no string is left to the schema. */
export function refusePath(text: unknown, pointer: string): void {
  const problem = typeof text === 'string' ? pathProblem(text) : null;
  if (problem !== null) throw new RefusedError('forbidden-path', problem, pointer);
}

export interface InputFile {
  handle: FileHandle;
  /** Relative to the tenant's folder, with `/`, all symbolic links resolved. */
  path: string;
  bytes: number;
}

/**
 * Opens a regular file for reading, after its real path was found inside `tenantDir` (itself a real path). The caller closes
 * the handle.
 * @throws ForbiddenPathError · TaskError (no retry) when there is no such regular file or it is larger than `maxBytes`.
 */
export async function openInside(tenantDir: string, relative: string, maxBytes: number): Promise<InputFile> {
  const problem = pathProblem(relative);
  if (problem !== null) throw new ForbiddenPathError(problem);
  const named = path.join(tenantDir, relative);
  const real = await realpathInside(tenantDir, named);
  // NONBLOCK: a named pipe must not hold the open; NOFOLLOW: the last name must still be what realpath saw.
  const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unusable);
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new TaskError('the path names no regular file', { retry: false });
    // A folder of the path may have been swapped for a link between the two calls: look again, now that the file is held.
    if ((await realpathInside(tenantDir, named)) !== real) throw new ForbiddenPathError();
    if (info.size > maxBytes) {
      throw new TaskError(`the file has ${info.size} bytes, at most ${maxBytes} are allowed`, { retry: false });
    }
    return { handle, path: path.relative(tenantDir, real).split(path.sep).join('/'), bytes: info.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function realpathInside(tenantDir: string, named: string): Promise<string> {
  const real = await realpath(named).catch(unusable);
  if (real !== tenantDir && !real.startsWith(tenantDir + path.sep)) throw new ForbiddenPathError();
  const first = path.relative(tenantDir, real).split(path.sep)[0];
  if (first === WORK_FOLDER) throw new ForbiddenPathError(`${WORK_FOLDER} is reserved`);
  return real;
}

const NEVER_SUCCEEDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  ELOOP: 'the path has too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EISDIR: 'the path names no regular file',
  ENXIO: 'the path names no regular file',
};

/** Names the faults that no later attempt can mend, without the path of the server's disk. */
function unusable(error: NodeJS.ErrnoException): never {
  const known = NEVER_SUCCEEDS[error.code ?? ''];
  if (known !== undefined) throw new TaskError(known, { retry: false, cause: error });
  throw error;
}
