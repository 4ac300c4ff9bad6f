import { beforeEach, describe, expect, it } from 'vitest';
import { atEnd, useDatabase, useRedis } from '../helpers/fixtures.ts';
import { promised } from '../helpers/promised.ts';
import { Stories } from '../helpers/stories.ts';
import { TcpProxy } from '../helpers/tcp-proxy.ts';
import { waitFor } from '../helpers/wait-for.ts';

let stories: Stories;
let redis: Awaited<ReturnType<typeof useRedis>>;
let database: Awaited<ReturnType<typeof useDatabase>>;

beforeEach(async () => {
  database = await useDatabase();
  redis = await useRedis();
  stories = new Stories({ mongo: database, redis }, database.db);
});

const many = (count: number, payload: object): object[] => Array.from({ length: count }, () => payload);
const running = (count: number) =>
  waitFor(() => stories.jobs.countDocuments({ status: 'processing' }).then(n => n >= count), {
    what: `${count} jobs to run`,
  });

const started = (count: number) =>
  waitFor(() => stories.audit().filter(line => line.event === 'start').length >= count, {
    what: `${count} handlers to begin`,
  });

describe('SIGTERM', () => {
  it('under load: exit 0 within the deadline, nothing lost, nothing run twice, no retry spent', async () => {
    const [leaving, staying] = [await stories.startWorker(), await stories.startWorker()];
    const ids = await stories.insertMany('story:wait', many(150, { ms: 100 }), { maxRetries: 0 });
    await running(10);
    const since = performance.now();
    expect(await leaving.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(performance.now() - since).toBeLessThan(promised(3_000));
    const jobs = await stories.reachAll(ids);
    expect(jobs.filter(job => job.status !== 'completed' || job.runs !== 1)).toEqual([]);
    expect(stories.audit().filter(line => line.event === 'start')).toHaveLength(150);
    expect(staying.hasExited).toBe(false);
  });

  describe('while a job has won its start gate and the worker does not know it yet', () => {
    /** The gate's answer gets lost `times` times, from before the signal to after it. Redis is away: it holds up no ending. */
    const atTheGate = async (drainDeadlineMs: string, times: number) => {
      const proxy = new TcpProxy();
      await proxy.start({ target: Number(new URL(database.uri.replace(/^mongodb/, 'http')).port) });
      atEnd(() => proxy.stop());
      const worker = await stories.startWorker({
        MONGO_URI: `mongodb://127.0.0.1:${proxy.port}/${database.name}?directConnection=true`,
        DRAIN_DEADLINE_MS: drainDeadlineMs,
      });
      proxy.dropReplies(({ request }) => request.includes('startedAt'));
      const id = await stories.insert('story:wait', { ms: 10 }, { maxRetries: 0 });
      await running(1);
      await redis.kill9();
      const exit = worker.kill('SIGTERM');
      await waitFor(() => worker.hasExited || proxy.dropped >= times, { what: 'answers to get lost' });
      await proxy.heal();
      expect(await exit).toEqual({ code: 1, signal: null });
      return stories.jobs.findOne({ _id: id });
    };

    it('waits for it like for any other', async () => {
      expect(await atTheGate('3000', 5)).toMatchObject({ status: 'completed', runs: 1 });
    });

    it('hands it back unstarted when the deadline is over', async () => {
      const job = await atTheGate('100', 4);
      expect(job).toMatchObject({ status: 'pending', runs: 1 });
      expect(job?.history?.some(entry => entry.via === 'T9')).toBe(true);
      expect(stories.audit()).toEqual([]);
    });
  });

  it('twice changes nothing', async () => {
    const worker = await stories.startWorker();
    const id = await stories.insert('story:wait', { ms: 700 });
    await running(1);
    const exit = worker.kill('SIGTERM');
    await worker.waitForLine(line => line.log.msg === 'draining');
    void worker.kill('SIGTERM');
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(await stories.jobs.findOne({ _id: id })).toMatchObject({ status: 'completed', runs: 1 });
  });

  it('hands back what honours its signal: exit 0, the next worker runs it, nothing counted', async () => {
    const worker = await stories.startWorker();
    const id = await stories.insert('story:wait', { ms: 6_000 }, { maxRetries: 0 });
    await running(1);
    expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    const handedBack = await stories.jobs.findOne({ _id: id });
    expect(handedBack).toMatchObject({ status: 'pending' });
    expect(handedBack?.history?.at(-1)).toMatchObject({ via: 'T9' });
    expect(handedBack).not.toHaveProperty('runKey');
    await stories.startWorker();
    const job = await stories.reach(id, 'completed');
    expect(job).toMatchObject({ runs: 2 });
    expect([job.failures ?? 0, job.crashes ?? 0]).toEqual([0, 0]);
  });

  it('with a handler that ignores its signal: exit 1 at the deadline, handed back two seconds later', async () => {
    const worker = await stories.startWorker();
    const id = await stories.insert('story:wait', { ms: 60_000, ignoreAbort: true });
    await running(1);
    const since = performance.now();
    expect(await worker.kill('SIGTERM')).toEqual({ code: 1, signal: null });
    expect(performance.now() - since).toBeLessThan(3_000 + promised(1_500));
    const job = await stories.jobs.findOne({ _id: id });
    expect(job).toMatchObject({ status: 'pending' });
    const entry = job!.history!.at(-1)!;
    expect(entry.via).toBe('T9');
    expect(job!.runAt.getTime() - entry.at.getTime()).toBeGreaterThan(1_900);
  });

  it('waits for a handler that ignored its timeout, and ends with 0 when that stops by the deadline', async () => {
    const worker = await stories.startWorker();
    const id = await stories.insert('story:wait', { ms: 1_500, ignoreAbort: true }, { maxRetries: 0, timeoutMs: 200 });
    await stories.reach(id, 'failed');
    expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(stories.audit().map(line => line.event)).toEqual(['start', 'ok']);
  });

  it('while Redis is away: the process ends all the same and says so by exit code 1, nothing is lost', async () => {
    const worker = await stories.startWorker();
    const id = await stories.insert('story:wait', { ms: 300 });
    await started(1);
    await redis.kill9();
    const since = performance.now();
    const exit = await worker.kill('SIGTERM');
    expect(exit).toEqual({ code: 1, signal: null });
    expect(performance.now() - since).toBeLessThan(3_000 + promised(1_000));
    expect(await stories.jobs.findOne({ _id: id })).toMatchObject({ status: 'completed', runs: 1 });
  });
});

describe('an unhandled rejection in a handler', () => {
  it('is logged once, ends the process with 1, and the jobs are rescued', async () => {
    const worker = await stories.startWorker();
    const id = await stories.insert('story:wait', { ms: 1_500 });
    await running(1);
    await stories.insert('story:misbehave', { how: 'reject-unhandled' }, { maxRetries: 0, timeoutMs: 500 });
    expect(await worker.exit).toEqual({ code: 1, signal: null });
    expect(worker.logs(log => log.event === 'unhandledRejection')).toHaveLength(1);
    await stories.jobs.updateOne({ type: 'story:misbehave' }, { $set: { payload: { how: 'nothing' } } });
    await stories.startWorker();
    expect(await stories.reach(id, 'completed')).toMatchObject({ crashes: 1 });
  });
});
