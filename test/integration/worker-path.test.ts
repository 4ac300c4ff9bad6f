import { beforeAll, describe, expect, it } from 'vitest';
import { isAllowed } from '../../src/pipeline/store/transitions.ts';
import { useDatabase, useRedis } from '../helpers/fixtures.ts';
import type { NodeProcess } from '../helpers/processes.ts';
import { Stories } from '../helpers/stories.ts';
import { waitFor } from '../helpers/wait-for.ts';

let stories: Stories;
let worker: NodeProcess;

beforeAll(async () => {
  const [database, redis] = await Promise.all([useDatabase(), useRedis()]);
  stories = new Stories({ mongo: database, redis }, database.db);
  worker = await stories.startWorker();
});

describe('a job that somebody inserts', () => {
  it('is woken by the change stream, runs once and ends completed', async () => {
    const id = await stories.insert('story:wait', { ms: 5 });
    const job = await stories.reach(id, 'completed');
    expect(job).toMatchObject({ result: { waited: 5 }, runs: 1 });
    expect(job.runKey?.toHexString()).toBe(stories.audit(id)[0]?.runKey);
    expect(stories.audit(id).map(line => line.event)).toEqual(['start', 'ok']);
    for (const field of ['token', 'owner', 'beatAt', 'leaseMs', 'suspectAt', 'startBy'])
      expect(job).not.toHaveProperty(field);
    expect(job.expireAt!.getTime() - job.finishedAt!.getTime()).toBeGreaterThan(29 * 24 * 3_600_000);
  });

  it('has a history of allowed transitions without a gap', async () => {
    const id = await stories.insert('story:fail', { times: 1 }, { retry: { strategy: 'fixed', delayMs: 10 } });
    const job = await stories.reach(id, 'completed');
    expect(job.history!.map(entry => entry.via)).toEqual(['T1', 'T3', 'T6', 'T1', 'T3', 'T5']);
    for (const [index, entry] of job.history!.entries()) {
      expect(isAllowed(entry.via, entry.from, entry.to)).toBe(true);
      if (index > 0) expect(entry.from).toBe(job.history![index - 1]!.to);
    }
    expect(job.historySeq).toBe(6);
  });

  it('logs one line at the start and one at the end of each run', async () => {
    const id = await stories.insert('story:wait', { ms: 1 });
    await stories.reach(id, 'completed');
    const own = () => worker.logs(log => log.jobId === id.toHexString()).map(log => log.msg);
    await waitFor(() => own().length === 2, { what: 'two log lines' });
    expect(own()).toEqual(['job started', 'job completed']);
  });

  it('with a payload that does not fit its type fails at once', async () => {
    const job = await stories.reach(await stories.insert('story:wait', { ms: 'soon' }), 'failed');
    expect(job.errors).toMatchObject([{ name: 'validation-error', retryable: false, attempt: 1 }]);
  });

  it('of a type that nobody here knows waits, and is never started', async () => {
    const id = await stories.insert('story:unheard-of', {});
    const job = await waitFor(() => stories.jobs.findOne({ _id: id, 'history.via': 'T3u' }), { what: 'a return' });
    expect(job).toMatchObject({ status: 'pending' });
    expect(job.runs ?? 0).toBe(0);
    expect(job.runAt.getTime()).toBeGreaterThan(Date.now() + 5_000);
  });

  it('that did not start before startBy expires', async () => {
    const id = await stories.insert(
      'story:wait',
      { ms: 1 },
      { runAt: new Date(Date.now() + 3_600_000), startBy: new Date() },
    );
    const job = await stories.reach(id, 'failed');
    expect(job.errors).toMatchObject([{ name: 'expired' }]);
    expect(job).not.toHaveProperty('startBy');
  });

  it('runs the more important first', async () => {
    const blockers = await stories.insertMany(
      'story:wait',
      Array.from({ length: 10 }, () => ({ ms: 400 })),
      { priority: 10 },
    );
    await waitFor(
      () => stories.jobs.countDocuments({ _id: { $in: blockers }, status: 'processing' }).then(n => n === 10),
      {
        what: 'all slots to be taken',
      },
    );
    const low = await stories.insertMany(
      'story:wait',
      Array.from({ length: 60 }, () => ({ ms: 20 })),
      { priority: 1 },
    );
    const high = await stories.insertMany(
      'story:wait',
      Array.from({ length: 5 }, () => ({ ms: 20 })),
      { priority: 9 },
    );
    await stories.reachAll([...low, ...high]);
    const starts = stories
      .audit()
      .filter(line => line.event === 'start')
      .map(line => line.jobId);
    const lastHigh = Math.max(...high.map(id => starts.indexOf(id.toHexString())));
    const lowBefore = low.filter(id => starts.indexOf(id.toHexString()) < lastHigh).length;
    // Behind the bounded window at most: free slots and one second of starts.
    expect(lowBefore).toBeLessThan(60);
  });

  it('isolated runs in a child, with progress and log in the ledger', async () => {
    const id = await stories.insert('story:isolated', { ms: 50 });
    const job = await stories.reach(id, 'completed');
    const { pid } = job.result as { pid: number };
    expect(pid).not.toBe(worker.pid);
    expect(job.progress).toEqual({ pid });
    expect(job.logs).toMatchObject([{ message: 'in a child of its own', attempt: 1 }]);
  });
});

describe('suspects of a crash', () => {
  it('run in children, wait outside the slots for them, and spend nothing', async () => {
    const suspects = await stories.insertMany(
      'story:wait',
      Array.from({ length: 6 }, () => ({ ms: 50 })),
      {
        crashes: 2,
        maxRetries: 0,
      },
    );
    const others = await stories.insertMany(
      'story:wait',
      Array.from({ length: 20 }, () => ({ ms: 20 })),
    );
    for (const job of await stories.reachAll([...suspects, ...others])) {
      expect(job.status).toBe('completed');
      expect(job.failures ?? 0).toBe(0);
    }
    const jobs = await stories.jobs.find({ _id: { $in: suspects } }).toArray();
    expect(jobs.every(job => job.crashes === 2)).toBe(true);
    expect(jobs.some(job => job.history!.some(entry => entry.via === 'T9'))).toBe(true);
    const pids = new Set(suspects.flatMap(id => stories.audit(id).map(line => line.pid)));
    expect(pids.has(worker.pid)).toBe(false);
    expect(pids.size).toBe(6);
  });
});

describe('two workers', () => {
  it('share the work, and every job runs once', async () => {
    const second = await stories.startWorker();
    const ids = await stories.insertMany(
      'story:wait',
      Array.from({ length: 200 }, () => ({ ms: 20 })),
    );
    const jobs = await stories.reachAll(ids);
    expect(jobs.every(job => job.status === 'completed' && job.runs === 1)).toBe(true);
    const mine = new Set(ids.map(id => id.toHexString()));
    const starts = stories.audit().filter(line => line.event === 'start' && mine.has(line.jobId));
    expect(starts).toHaveLength(200);
    expect(new Set(starts.map(line => line.pid)).size).toBe(2);
    expect(await second.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  });
});
