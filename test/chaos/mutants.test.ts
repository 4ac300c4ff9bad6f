import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyPatch } from '../../bench/chaos/mutants/build-mutant.ts';
import { MUTANTS } from '../../bench/chaos/mutants/mutants.ts';
import { INVARIANTS } from '../../bench/chaos/oracle/judge.ts';
import { SCENARIOS } from '../../bench/chaos/scenarios/index.ts';
import { repositoryDir } from '../helpers/build.ts';

describe.each(MUTANTS)('mutant $name', ({ patches, scenario, caughtBy }) => {
  it('fits the source as it is now', () => {
    for (const patch of patches) {
      const text = readFileSync(join(repositoryDir, patch.file), 'utf8');
      const patched = applyPatch(text, patch);
      expect(patched).toContain(patch.replace);
      expect(patched).not.toBe(text);
    }
  });

  it('names a scenario and invariants that exist', () => {
    expect(SCENARIOS.map(({ name }) => name)).toContain(scenario);
    expect(caughtBy.length).toBeGreaterThan(0);
    for (const id of caughtBy) expect(INVARIANTS.map(invariant => invariant.id)).toContain(id);
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
