import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import type { RoundReport } from '../../bench/chaos/report/round-report.ts';
import { SHORT_SCENARIOS } from '../../bench/chaos/scenarios/index.ts';
import { builtPath, repositoryDir } from '../helpers/build.ts';

/** Runs the harness as `npm run chaos` does, with the MongoDB that the suite was told to use. */
function runChaos(args: readonly string[]): Promise<{ code: number; output: string }> {
  const { PATH = '', HOME = '', TMPDIR = tmpdir(), LEDGERMQ_MONGO = 'auto', MONGOD_BINARY = '' } = process.env;
  const env = { PATH, HOME, TMPDIR, LEDGERMQ_MONGO, MONGOD_BINARY };
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [builtPath('bench/chaos/main.js'), ...args],
      { cwd: repositoryDir, env },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, output: out + err }),
    );
  });
}

/** Three minutes are what all of them together may take; one alone may have bad luck with its machine. */
const LIMIT_MS = 240_000;

it.each(SHORT_SCENARIOS.map(({ name }) => name))(
  '%s: its short form loses nothing, ends nothing twice and runs nothing without a reason',
  async name => {
    const { code, output } = await runChaos(['--only', name, '--short']);
    expect(output).toContain('PASSED');
    expect(code).toBe(0);
    const [, file = ''] = /^report: (.*)$/m.exec(output) ?? [];
    const { rounds } = JSON.parse(readFileSync(file, 'utf8')) as { rounds: RoundReport[] };
    expect(rounds).toHaveLength(1);
    expect(rounds[0]!.figures?.jobs).toBeGreaterThan(20);
    if (name === 'storm') expect(rounds[0]!.figures?.jobs).toBe(600);
    expect(rounds[0]!.verdicts.length).toBeGreaterThanOrEqual(9);
    expect(rounds[0]!.verdicts.every(verdict => verdict.count === 0)).toBe(true);
  },
  LIMIT_MS,
);

it('says what it cannot do: exit code 2', async () => {
  expect(await runChaos(['--only', 'nothing'])).toMatchObject({
    code: 2,
    output: expect.stringContaining('no scenario'),
  });
  expect(await runChaos(['--mutant', 'nobody'])).toMatchObject({
    code: 2,
    output: expect.stringContaining('no mutant'),
  });
  expect(await runChaos(['--jobs', '-1'])).toMatchObject({ code: 2 });
});

it('lists the mutants', async () => {
  const { code, output } = await runChaos(['--list-mutants']);
  expect(code).toBe(0);
  expect(output).toContain('finish-without-run-key');
});
