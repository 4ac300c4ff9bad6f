import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyPatch } from '../../bench/chaos/mutants/build-mutant.ts';
import { hunt, wasCaught } from '../../bench/chaos/mutants/hunt.ts';
import { MUTANTS, type Mutant } from '../../bench/chaos/mutants/mutants.ts';
import { INVARIANTS } from '../../bench/chaos/oracle/judge.ts';
import { describeHunt, describeMutants } from '../../bench/chaos/report/describe-mutants.ts';
import { readPublishedMutants, withMutants } from '../../bench/chaos/report/publish.ts';
import { reportRound } from '../../bench/chaos/report/round-report.ts';
import { SCENARIOS } from '../../bench/chaos/scenarios/index.ts';
import type { Scenario } from '../../bench/chaos/scenarios/scenario.ts';
import { repositoryDir } from '../helpers/build.ts';
import { soundEvidence } from './fabricate.ts';

const scenarioDir = join(repositoryDir, 'bench/chaos/scenarios');
const scenarioSources = readdirSync(scenarioDir)
  .map(file => readFileSync(join(scenarioDir, file), 'utf8'))
  .join('\n');

describe.each(MUTANTS)('mutant $name', ({ patches, scenario, caughtBy }) => {
  it('fits the source as it is now', () => {
    for (const patch of patches) {
      const text = readFileSync(join(repositoryDir, patch.file), 'utf8');
      const patched = applyPatch(text, patch);
      expect(patched).toContain(patch.replace);
      expect(patched).not.toBe(text);
    }
  });

  it('names a scenario, and invariants or measures that exist', () => {
    expect(SCENARIOS.map(({ name }) => name)).toContain(scenario);
    expect(caughtBy.length).toBeGreaterThan(0);
    for (const id of caughtBy) {
      if (/^I\d+$/.test(id)) expect(INVARIANTS.map(invariant => invariant.id)).toContain(id);
      else expect(scenarioSources).toContain(`'${id}'`);
    }
  });
});

describe('a patch', () => {
  const patch = { file: 'x.ts', find: 'b', replace: '$&c' };

  it('takes its text literally', () => {
    expect(applyPatch('abc', patch)).toBe('a$&cc');
  });

  it('refuses a text that is not there, or there twice', () => {
    expect(() => applyPatch('ac', patch)).toThrow('0 times');
    expect(() => applyPatch('abb', patch)).toThrow('2 times');
  });
});

describe('a hunt', () => {
  const scenario: Scenario = { name: 'trap', row: 'traps', title: 't', target: 't', play: () => Promise.reject() };
  const mutant: Mutant = { ...MUTANTS[0]!, name: 'bug', what: 'a check', caughtBy: ['I1', 'I6'] };
  /** Rounds that break these rules, one after the other. */
  const play = (...broken: string[][]) => {
    let round = 0;
    return (_: Scenario, seed: number) => {
      const draft = soundEvidence();
      const rules = broken[round++] ?? [];
      if (rules.includes('I1')) draft.posts.push({ key: 'z', client: 1, at: 0, ms: 5, status: 503, id: null });
      if (rules.includes('I9')) draft.leftBehind.push('process 7');
      const played = { servers: 'none', durationMs: 1, gaveUp: null, evidence: draft, measures: [] };
      return Promise.resolve(reportRound(scenario, { short: false, mutant: 'bug', scale: 0.1, seed }, played));
    };
  };

  it('ends with the first round that breaks a rule of the mutant', async () => {
    const record = await hunt(mutant, scenario, { seed: 7, rounds: 3, play: play([], ['I1', 'I9'], ['I1']) });
    expect(record).toMatchObject({ mutant: 'bug', scenario: 'trap', scale: 0.1, seed: 8, rounds: 2, caughtBy: ['I1'] });
    expect(wasCaught(record)).toBe(true);
    expect(describeMutants([record])).toContain('| bug | a check | trap (scale 0.1) | I1 | 0 s | 8 |');
  });

  it('is lost when only another rule was broken, or when it took too long', async () => {
    const survived = await hunt(mutant, scenario, { seed: 7, rounds: 2, play: play(['I9'], ['I9'], ['I1']) });
    expect(survived).toMatchObject({ rounds: 2, seed: 8, caughtBy: [] });
    expect(wasCaught(survived)).toBe(false);
    expect(describeHunt(survived)).toContain('SURVIVED');
    const late = { ...survived, caughtBy: ['I1'], seconds: 301 };
    expect(wasCaught(late)).toBe(false);
    expect(describeMutants([late])).toContain('**survived**');
    expect(wasCaught({ ...late, seconds: 300 })).toBe(true);
  });
});

it('the page of faults shows the mutants that were published', () => {
  const page = readFileSync(join(repositoryDir, 'docs/faults.md'), 'utf8');
  expect(withMutants(page, readPublishedMutants(repositoryDir))).toBe(page);
});
