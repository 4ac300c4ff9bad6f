import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeRows } from '../../bench/chaos/report/describe-rows.ts';
import { readPublished, saysAsMuch, withTable } from '../../bench/chaos/report/publish.ts';
import { recordOf } from '../../bench/chaos/report/records.ts';
import { reportRound } from '../../bench/chaos/report/round-report.ts';
import { atLeast, atMost, exactly, told } from '../../bench/chaos/scenarios/measures.ts';
import type { Measure, Scenario } from '../../bench/chaos/scenarios/scenario.ts';
import { repositoryDir } from '../helpers/build.ts';
import { soundEvidence } from './fabricate.ts';

const scenario: Pick<Scenario, 'name' | 'row' | 'title' | 'target'> = {
  name: 'F0 part',
  row: 'F0',
  title: 'nothing',
  target: 'all',
};

function report(measures: Measure[], gaveUp: string | null = null) {
  const played = { servers: 'none', durationMs: 1_000, gaveUp, evidence: soundEvidence(), measures };
  const round = { short: false, mutant: null, scale: 0.5, seed: 7 };
  return reportRound({ ...scenario, play: () => Promise.resolve(played) }, round, played);
}

const row = (measures: Measure[], gaveUp: string | null = null) =>
  describeRows([
    recordOf({ ...scenario, play: never }, { scale: 0.5, skipped: null, rounds: [report(measures, gaveUp)] }),
  ]);
const never = () => Promise.reject(new Error('not played'));

it('the page of faults shows what was published', () => {
  const page = readFileSync(join(repositoryDir, 'docs/faults.md'), 'utf8');
  expect(withTable(page, readPublished(repositoryDir))).toBe(page);
});

it('a page without a place for the table is refused', () => {
  expect(() => withTable('# Faults', [])).toThrow('faults:begin');
});

it('what says less does not replace what says more', () => {
  const ran = (scale: number, passed = true) =>
    recordOf({ ...scenario, play: never }, { scale, skipped: null, rounds: [{ ...report([]), passed }] });
  const skipped = recordOf({ ...scenario, play: never }, { scale: 1, skipped: 'needs mongod', rounds: [] });
  expect(saysAsMuch(ran(0.1), undefined)).toBe(true);
  expect(saysAsMuch(ran(0.1), skipped)).toBe(true);
  expect(saysAsMuch(ran(1), ran(0.1))).toBe(true);
  expect(saysAsMuch(ran(1), ran(1))).toBe(true);
  expect(saysAsMuch(ran(0.1), ran(1))).toBe(false);
  expect(saysAsMuch(ran(0.1, false), ran(1))).toBe(true);
  expect(saysAsMuch(skipped, ran(0.1))).toBe(false);
  expect(saysAsMuch(skipped, skipped)).toBe(true);
});

describe('measures', () => {
  it('say whether they met their target', () => {
    expect(atMost('p99', 15.06, 15, 's')).toEqual({ name: 'p99', value: '15.1 s', target: '≤ 15 s', met: false });
    expect(atLeast('kills', 3, 3)).toMatchObject({ value: '3', target: '≥ 3', met: true });
    expect(exactly('D', 1, 0)).toMatchObject({ target: '0', met: false });
    expect(told('throughput', 1.5, '/s')).toEqual({ name: 'throughput', value: '1.50 /s', target: '', met: true });
  });
});

describe('the table', () => {
  it('states the figures of a row that holds', () => {
    expect(row([atMost('p99', 3, 15, 's')])).toMatch(
      /\| F0 part \| nothing \| all \| holds \(.*seed 7, scale 0.5\) \| 0 \| 0 \| 3 \| 4 \| 2 \| 3.4 \/ 3.4 s \| p99 3 s \|/,
    );
  });

  it('says what missed its target, and why a round was given up', () => {
    expect(row([atMost('p99', 16, 15, 's')], 'stuck')).toContain('**broken**: p99, stuck');
  });

  it('says why a row did not run', () => {
    const skipped = recordOf({ ...scenario, play: never }, { scale: 1, skipped: 'needs a mongod', rounds: [] });
    expect(describeRows([skipped])).toContain('not run: needs a mongod');
  });
});
