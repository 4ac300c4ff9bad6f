import { describe, expect, it } from 'vitest';
import { parseAudit } from '../../bench/chaos/job/audit-log.ts';
import type { Act } from '../../bench/chaos/job/chaos-payload.ts';
import { allKinds, expectedStatus, isAlwaysOk, type JobPlan, JobPlans } from '../../bench/chaos/job/job-plan.ts';
import { Random } from '../../bench/chaos/random.ts';
import { joinRuns } from '../../bench/chaos/world/read-runs.ts';

const planJobs = (most: number, name: string, random: Random): JobPlan[] =>
  new JobPlans({ name, random, most }).take(most);
const model = allKinds('model', new Random(1));
const plan = (acts: Act[], maxRetries: number) => ({
  ...model,
  payload: { ...model.payload, acts },
  maxRetries,
});

describe('plans', () => {
  it('are the same for the same seed, and others for another', () => {
    expect(planJobs(50, 'x', new Random(3))).toEqual(planJobs(50, 'x', new Random(3)));
    expect(planJobs(50, 'x', new Random(3))).not.toEqual(planJobs(50, 'x', new Random(4)));
  });

  it('hold every kind of job, most of them always ok, 20 to 200 ms each', () => {
    const plans = planJobs(1_000, 'x', new Random(5));
    const acts = new Set(plans.flatMap(({ payload }) => payload.acts));
    expect([...acts].sort()).toEqual(['fail', 'fail-for-good', 'ok', 'overstay']);
    expect(plans.filter(isAlwaysOk).length).toBeGreaterThan(600);
    const works = plans.map(({ payload }) => payload.workMs);
    expect(Math.min(...works)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...works)).toBeLessThanOrEqual(200);
    expect(new Set(plans.map(({ payload }) => payload.key)).size).toBe(1_000);
  });

  it('say how the job must end', () => {
    expect(expectedStatus(plan(['ok'], 0))).toBe('completed');
    expect(expectedStatus(plan(['fail', 'fail', 'ok'], 2))).toBe('completed');
    expect(expectedStatus(plan(['fail', 'fail', 'ok'], 1))).toBe('failed');
    expect(expectedStatus(plan(['fail'], 3))).toBe('failed');
    expect(expectedStatus(plan(['fail-for-good', 'ok'], 3))).toBe('failed');
    expect(expectedStatus(plan(['overstay', 'ok'], 3))).toBe('completed');
    expect(expectedStatus(plan(['bigint'], 3))).toBe('failed');
    expect(expectedStatus(plan(['cycle', 'ok'], 3))).toBe('failed');
    expect(expectedStatus(plan(['exit'], 3))).toBe('failed');
  });
});

describe('audit files', () => {
  const line = (event: object) => `${JSON.stringify({ worker: 'w', pid: 1, jobId: 'j', ...event })}\n`;

  it('are read without a last line that a kill cut short', () => {
    const text = `${line({ event: 'start', runKey: 'r', key: 'k', attempt: 1, at: 1 })}{"event":"en`;
    expect(parseAudit(text)).toHaveLength(1);
    expect(parseAudit('')).toEqual([]);
  });

  it('become runs, each with its own end', () => {
    const text =
      line({ event: 'start', runKey: 'r1', key: 'k', attempt: 1, at: 1 }) +
      line({ event: 'start', runKey: 'r2', key: 'k', attempt: 1, at: 2 }) +
      line({ event: 'deed', runKey: 'r1', act: 'exit', at: 2 }) +
      line({ event: 'end', runKey: 'r2', outcome: 'fail', why: 'planned', at: 3 });
    expect(joinRuns(parseAudit(text))).toMatchObject([
      { runKey: 'r1', startedAt: 1, end: null },
      { runKey: 'r2', startedAt: 2, end: { outcome: 'fail', at: 3 } },
    ]);
  });
});
