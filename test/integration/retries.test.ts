import { beforeAll, describe, expect, it } from 'vitest';
import type { JobDocument } from '../../src/pipeline/store/job-document.ts';
import { useDatabase, useRedis } from '../helpers/fixtures.ts';
import { FULL, promised } from '../helpers/promised.ts';
import { Stories } from '../helpers/stories.ts';
import { waitFor } from '../helpers/wait-for.ts';

let stories: Stories;

beforeAll(async () => {
  const [database, redis] = await Promise.all([useDatabase(), useRedis()]);
  stories = new Stories({ mongo: database, redis }, database.db);
  await stories.startWorker();
});

/** How much later than its delay each retry began, in ms, from the ledger's own history. */
function lateness(job: JobDocument, delays: readonly number[]): number[] {
  const failures = job.history!.filter(entry => entry.via === 'T6');
  const starts = job.history!.filter(entry => entry.via === 'T3').slice(1);
  return starts.map((start, index) => start.at.getTime() - failures[index]!.at.getTime() - delays[index]!);
}

describe('retries', () => {
  const late: number[] = [];

  it.each([
    ['exponential', 1_000, [1_000, 2_000, 4_000]],
    ['linear', 400, [400, 800, 1_200]],
    ['fixed', 500, [500, 500, 500]],
  ] as const)('%s: three retries after their waits, then failed after four runs', async (strategy, delayMs, delays) => {
    const payloads = Array.from({ length: 7 }, () => ({ times: 99 }));
    const ids = await stories.insertMany('story:fail', payloads, { maxRetries: 3, retry: { strategy, delayMs } });
    for (const job of await stories.reachAll(ids)) {
      expect(job).toMatchObject({ status: 'failed', runs: 4, failures: 4 });
      expect(job).not.toHaveProperty('crashes');
      expect(job.errors!.map(error => error.attempt)).toEqual([1, 2, 3, 4]);
      late.push(...lateness(job, delays));
    }
  });

  it(`begin on time: none early, nearly all within ${promised(250)} ms, all within ${promised(1_000)}`, () => {
    late.sort((a, b) => a - b);
    expect(late).toHaveLength(63);
    expect(late[0]).toBeGreaterThanOrEqual(-2);
    // Another file of the suite has the second core.
    const share = FULL ? 0.95 : 0.9;
    expect(late[Math.ceil(late.length * share) - 1]).toBeLessThanOrEqual(promised(250));
    expect(late.at(-1)).toBeLessThanOrEqual(promised(1_000));
  });

  it('a TaskError with retry: false ends the job at once', async () => {
    const job = await stories.reach(await stories.insert('story:fail', { times: 99, final: true }), 'failed');
    expect(job).toMatchObject({ runs: 1, failures: 1, errors: [{ name: 'TaskError', retryable: false }] });
  });

  it('a worker that is killed in between costs no retry', async () => {
    const victim = await stories.startWorker();
    const ids = await stories.insertMany(
      'story:wait',
      Array.from({ length: 20 }, () => ({ ms: 700 })),
      { maxRetries: 0 },
    );
    await waitFor(() => stories.audit().some(line => line.pid === victim.pid && line.event === 'start'), {
      what: 'the victim to run something',
    });
    await victim.kill('SIGKILL');
    const jobs = await stories.reachAll(ids);
    expect(jobs.filter(job => job.status !== 'completed' || (job.failures ?? 0) > 0)).toEqual([]);
    expect(jobs.filter(job => (job.crashes ?? 0) === 1).length).toBeGreaterThan(0);
  });
});
