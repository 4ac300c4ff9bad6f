import { mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { TaskError } from '../task-error.ts';
import { ForbiddenPathError, WORK_FOLDER } from './tenant-path.ts';

const TENANT = /^[A-Za-z0-9_-]{1,64}$/;
const HOUR_MS = 3_600_000;
/** What a crashed run left behind is kept this long: longer than a job's retries may take. */
const LEFTOVER_MS = 7 * 24 * HOUR_MS;

/** One folder a tenant inside `FILES_DIR`, made on first use. */
export class TenantFiles {
  readonly #dir: string;
  readonly #sweptAt = new Map<string, number>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The real path of the tenant's folder. @throws ForbiddenPathError when it is a link that leads elsewhere. */
  async tenantDir(tenant: string): Promise<string> {
    if (!TENANT.test(tenant)) throw new TaskError('the tenant has no usable name', { retry: false });
    await mkdir(path.join(this.#dir, tenant), { recursive: true, mode: 0o750 });
    const root = await realpath(this.#dir);
    const dir = path.join(root, tenant);
    if ((await realpath(dir)) !== dir) throw new ForbiddenPathError();
    await this.#sweep(dir);
    return dir;
  }

  /** Once an hour: removes the work folders of jobs that nobody has touched for a week. */
  async #sweep(dir: string): Promise<void> {
    const now = Date.now();
    if (now - (this.#sweptAt.get(dir) ?? 0) < HOUR_MS) return;
    this.#sweptAt.set(dir, now);
    const work = path.join(dir, WORK_FOLDER);
    for (const name of await readdir(work).catch(() => [])) {
      const old = await stat(path.join(work, name)).then(
        info => now - info.mtimeMs > LEFTOVER_MS,
        () => false,
      );
      if (old) await rm(path.join(work, name), { recursive: true, force: true });
    }
  }
}
