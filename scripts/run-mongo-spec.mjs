// Runs MongoDB's specification tests against the embedded ledger server of dist/. The runner is not part of this repository:
// its folder is the argument. Ends with 1 when fewer than 99 % of the tests that apply pass.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const LEAST_SHARE = 0.99;

const runner = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), 'ledgermq-spec-'));
const server = spawn(process.execPath, ['dist/embedded/wire-server/main.js', '--port', '0', '--data', folder], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
process.once('exit', () => {
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const [line] = await once(createInterface({ input: server.stdout }), 'line');
const uri = /mongodb:\/\/\S+/.exec(line)[0];
const report = join(folder, 'report.json');
const outOfScope = join(runner, 'out-of-scope.txt');
const tests = spawn(
  process.execPath,
  [join(runner, 'run.mjs'), '--uri', uri, '--json', report, ...(existsSync(outOfScope) ? ['--skip', outOfScope] : [])],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
await once(tests, 'close');
const { results } = JSON.parse(readFileSync(report, 'utf8'));
const count = status => results.filter(result => result.status === status).length;
const share = count('passed') / (count('passed') + count('failed'));
process.stdout.write(
  `MongoDB specification tests: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped') + count('unsupported')} left out\n`,
);
process.exit(share >= LEAST_SHARE ? 0 : 1);
