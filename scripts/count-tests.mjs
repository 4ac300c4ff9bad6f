// Prints `N passed, N failed` from vitest's JSON report and ends with 1 when anything failed. A file that could not even be
// loaded has no tests to count and counts as one that failed.
import { readFileSync } from 'node:fs';

const { numPassedTests, testResults } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const failed = testResults.reduce((sum, file) => {
  const tests = file.assertionResults.filter(({ status }) => status === 'failed').length;
  return sum + (file.status === 'failed' ? Math.max(1, tests) : tests);
}, 0);
process.stdout.write(`${numPassedTests} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || numPassedTests === 0 ? 1 : 0;
