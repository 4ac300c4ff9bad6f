import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';

/** Tells the first run of a job from all others, whatever process they are in: it is the one that made the job's file. */
export class FirstRuns {
  readonly #folder: string;

  constructor(auditDir: string) {
    this.#folder = join(auditDir, '..', 'first-runs');
  }

  claim(jobId: string): boolean {
    mkdirSync(this.#folder, { recursive: true });
    try {
      closeSync(openSync(join(this.#folder, jobId), 'wx'));
      return true;
    } catch {
      return false;
    }
  }
}
