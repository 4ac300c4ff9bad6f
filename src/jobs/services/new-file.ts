import { createHash, type Hash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { TaskError } from '../task-error.ts';
import { ForbiddenPathError, WORK_FOLDER } from './tenant-path.ts';

export interface NewFileOptions {
  tenantDir: string;
  /** Where the file shall stand, relative to the tenant's folder; its folder exists. */
  path: string;
  jobId: string;
  /** Of the run: a zombie of an earlier run must not write into this one's file. */
  runKey: string;
  maxBytes: number;
}

export interface WrittenFile {
  /** Relative to the tenant's folder. */
  path: string;
  bytes: number;
  sha256: string;
}

/**
 * A file that appears whole or not at all and never replaces another: it is written and hashed under a name in the work
 * folder, then linked to its own. The inode is noted before, so that a later run of the same job, after a crash between the
 * link and the record of the outcome, knows its own leftover and replaces it.
 */
export class NewFile {
  readonly #options: NewFileOptions;
  readonly #handle: FileHandle;
  readonly #folder: string;
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;

  private constructor(options: NewFileOptions, folder: string, handle: FileHandle) {
    this.#options = options;
    this.#folder = folder;
    this.#handle = handle;
  }

  static async create(options: NewFileOptions): Promise<NewFile> {
    const folder = path.join(options.tenantDir, WORK_FOLDER, options.jobId);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    if ((await realpath(folder)) !== folder) throw new ForbiddenPathError();
    for (const name of await readdir(folder)) {
      if (name.endsWith('.tmp')) await rm(path.join(folder, name), { force: true });
    }
    const temporary = path.join(folder, `${options.runKey}.tmp`);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    return new NewFile(options, folder, await open(temporary, flags, 0o640));
  }

  /** Resolves when the system has taken the bytes: whoever waits for it feels the disk's pace. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#bytes + chunk.byteLength > this.#options.maxBytes) {
      throw new TaskError(`the file would be larger than ${this.#options.maxBytes} bytes`, { retry: false });
    }
    this.#hash.update(chunk);
    this.#bytes += chunk.byteLength;
    for (let at = 0; at < chunk.byteLength; ) {
      at += (await this.#handle.write(chunk, at)).bytesWritten;
    }
  }

  /**
   * Gives the file its name. Nothing may be written after.
   * @throws TaskError (no retry) when another file has that name · Error when a later run of the job has taken over.
   */
  async publish(): Promise<WrittenFile> {
    await this.#handle.sync();
    const target = path.join(this.#options.tenantDir, this.#options.path);
    if ((await realpath(path.dirname(target))) !== path.dirname(target)) throw new ForbiddenPathError();
    const note = path.join(this.#folder, 'published');
    const previous = await readFile(note, 'utf8').catch(() => null);
    const info = await this.#handle.stat({ bigint: true });
    // The temporary name is gone: a later run has removed it, and the note is that run's.
    if (info.nlink === 0n) throw new Error('a later run of this job has taken over');
    await writeFile(note, identity(info));
    const isLeftover = previous !== null && previous === (await identityOf(target));
    await (isLeftover ? rename(this.#temporary, target) : this.#linkTo(target));
    return { path: this.#options.path, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** Removes what is half written; the published file stays. To be called at the end of every run, also a failed one. */
  async close(): Promise<void> {
    await this.#handle.close();
    await rm(this.#temporary, { force: true });
  }

  async #linkTo(target: string): Promise<void> {
    try {
      await link(this.#temporary, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new TaskError(`${JSON.stringify(this.#options.path)} exists already and is not replaced`, {
        retry: false,
        cause: error,
      });
    }
  }

  get #temporary(): string {
    return path.join(this.#folder, `${this.#options.runKey}.tmp`);
  }
}

/** Names a file beyond its path. Not ctime: linking and unlinking change it. */
function identity(info: BigIntStats): string {
  return `${info.dev}:${info.ino}:${info.birthtimeNs}`;
}

function identityOf(file: string): Promise<string | null> {
  return lstat(file, { bigint: true }).then(identity, () => null);
}
