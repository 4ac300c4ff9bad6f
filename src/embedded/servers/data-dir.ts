import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LedgerError } from '../../platform/errors.ts';
import { endProcess, identify, isRunning, type ProcessIdentity } from './process-identity.ts';

const LEFTOVER_GRACE_MS = 5_000;

/**
 * The folder of one set of servers. One process owns it at a time; its servers are on record there (`run/<name>.json`), so
 * that a later start finds what an earlier one could not end, and ends exactly that.
 */
export class DataDir {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Takes the folder over, makes it if needed, and ends servers that an earlier owner left running.
   * @throws LedgerError `data-dir-in-use` while another process owns it.
   */
  static async claim(path: string): Promise<DataDir> {
    const dataDir = new DataDir(resolve(path));
    mkdirSync(dataDir.#runDir, { recursive: true });
    dataDir.#takeOwnership();
    await dataDir.#endLeftovers();
    return dataDir;
  }

  /** Makes a folder inside and answers its path. */
  folder(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  record(name: string, identity: ProcessIdentity): void {
    writeFileSync(join(this.#runDir, `${name}.json`), JSON.stringify(identity));
  }

  unrecord(name: string): void {
    rmSync(join(this.#runDir, `${name}.json`), { force: true });
  }

  /** Gives the folder free; its data stay. */
  release(): void {
    rmSync(this.#ownerFile, { force: true });
  }

  get #runDir(): string {
    return join(this.path, 'run');
  }

  get #ownerFile(): string {
    return join(this.path, 'owner.json');
  }

  #takeOwnership(): void {
    const owner = ownerOf(this.path);
    if (owner && isRunning(owner)) {
      throw new LedgerError(
        'data-dir-in-use',
        `${this.path} is used by process ${owner.pid}: stop that one, or choose another folder`,
      );
    }
    rmSync(this.#ownerFile, { force: true });
    const draft = `${this.#ownerFile}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(identify(process.pid) ?? { pid: process.pid, startedAt: 'unknown' }));
    try {
      // A link is made whole or not at all, and only if nobody else was faster.
      linkSync(draft, this.#ownerFile);
    } catch (error) {
      throw new LedgerError('data-dir-in-use', `${this.path} has just been taken by another process`, { cause: error });
    } finally {
      rmSync(draft, { force: true });
    }
  }

  async #endLeftovers(): Promise<void> {
    for (const file of readdirSync(this.#runDir)) {
      const leftover = readIdentity(join(this.#runDir, file));
      if (leftover) await endProcess(leftover, LEFTOVER_GRACE_MS);
      rmSync(join(this.#runDir, file), { force: true });
    }
  }
}

/** Removes the folders of `parent` that begin with `prefix` and whose owner is gone, after ending servers left in them. */
export async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent).filter(entry => entry.startsWith(prefix))) {
    const path = join(parent, name);
    const owner = ownerOf(path);
    // Without an owner file it may be one that is being made right now.
    if (!owner || isRunning(owner)) continue;
    const dataDir = await DataDir.claim(path).catch(() => null);
    if (dataDir) rmSync(dataDir.path, { recursive: true, force: true });
  }
}

function ownerOf(path: string): ProcessIdentity | null {
  return readIdentity(join(path, 'owner.json'));
}

function readIdentity(file: string): ProcessIdentity | null {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null) return null;
    const { pid, startedAt } = value as Partial<ProcessIdentity>;
    return Number.isInteger(pid) && typeof startedAt === 'string' ? { pid: pid!, startedAt } : null;
  } catch {
    return null;
  }
}
