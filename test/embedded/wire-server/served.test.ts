import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeServed } from './describe-served.ts';

it('docs/embedded.md lists what the tables of the code serve', () => {
  const page = readFileSync('docs/embedded.md', 'utf8');
  expect(page.split('<!-- served:begin -->\n')[1]?.split('\n<!-- served:end -->')[0]).toBe(describeServed());
});
