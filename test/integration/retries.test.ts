import { beforeAll, describe, expect, it } from 'vitest';
import type { JobDocument } from '../../src/pipeline/store/job-document.ts';
import { useDatabase, useRedis } from '../helpers/fixtures.ts';
import { Stories } from '../helpers/stories.ts';
import { waitFor } from '../helpers/wait-for.ts';

let stories: Stories;

beforeAll(async () => {
  const [database, redis] = await Promise.all([useDatabase(), useRedis()]);
  stories = new Stories({ mongo: database, redis }, database.db);
  await stories.startWorker();
});

/** Times between the end of a failed run and the start of the next, in ms, from the ledger's own history. */
function waits(job: JobDocument): number[] {
  const history = job.history!;
  return history.flatMap((entry, index) => {
    if (entry.via !== 'T6') return [];
    const next = history.slice(index).find(later => later.via === 'T3');
    return next ? [next.at.getTime() - entry.at.getTime()] : [];
  });
}

describe('retries', () => {
  it.each([
    ['exponential', 1_000, [1_000, 2_000, 4_000]],
    ['linear', 400, [400, 800, 1_200]],
    ['fixed', 500, [500, 500, 500]],
  ] as const)(
    '%s: three retries with their waits, then failed after four runs',
    async (strategy, delayMs, expected) => {
      const ids = await stories.insertMany(
        'story:fail',
        Array.from({ length: 5 }, () => ({ times: 99 })),
        {
          maxRetries: 3,
          retry: { strategy, delayMs },
        },
      );
      for (const job of await stories.reachAll(ids)) {
        expect(job).toMatchObject({ status: 'failed', runs: 4, failures: 4 });
        expect(job).not.toHaveProperty('crashes');
        expect(job.errors!.map(error => error.attempt)).toEqual([1, 2, 3, 4]);
        const late = waits(job).map((wait, index) => wait - expected[index]!);
        for (const ms of late) {
          expect(ms).toBeGreaterThanOrEqual(-5);
          expect(ms).toBeLessThanOrEqual(1_000);
        }
      }
    },
  );

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
