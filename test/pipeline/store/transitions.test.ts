import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeTransitions } from '../../../src/pipeline/store/describe-transitions.ts';
import { isTerminal, JOB_STATUSES } from '../../../src/pipeline/store/job-document.ts';
import { isAllowed, TRANSITIONS } from '../../../src/pipeline/store/transitions.ts';

const root = join(import.meta.dirname, '../../..');
const lifecycle = readFileSync(join(root, 'docs/job-lifecycle.md'), 'utf8');
const pipeline = join(root, 'src/pipeline');

describe('the transition table', () => {
  it('is what docs/job-lifecycle.md shows', () => {
    expect(lifecycle).toContain(describeTransitions());
  });

  it('has every change of status in the diagram, and the diagram has no other', () => {
    const drawn = new Set(
      [...lifecycle.matchAll(/^ {2}(\S+) --> (\S+): /gm)].map(
        ([, from, to]) => `${from === '[*]' ? null : from}>${to}`,
      ),
    );
    const inTable = new Set<string>();
    for (const { from, to } of Object.values(TRANSITIONS)) {
      for (const a of from) for (const b of to) if (a !== b && b !== null) inTable.add(`${a}>${b}`);
    }
    expect(drawn).toEqual(inTable);
  });

  it('leaves a terminal status only by redrive and delete', () => {
    for (const [id, { from }] of Object.entries(TRANSITIONS)) {
      if (from.some(status => status !== null && isTerminal(status))) expect(['U3', 'U5']).toContain(id);
    }
  });

  it('leads to every status', () => {
    const reached = new Set(Object.values(TRANSITIONS).flatMap(({ to }) => to));
    expect([...JOB_STATUSES].every(status => reached.has(status))).toBe(true);
  });

  it('is all that the code writes: every `via` with its `from` and `to` stands in the table', () => {
    const seen = new Set<string>();
    for (const file of readdirSync(pipeline, { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.ts'),
    )) {
      const text = readFileSync(join(pipeline, file), 'utf8');
      for (const [, via] of text.matchAll(/via: '(\w+)'/g)) seen.add(via!);
    }
    // U2 and U4 change no status and write no history of their own; U5 leaves no document behind.
    const expected = Object.keys(TRANSITIONS).filter(id => !['U2', 'U4', 'U5'].includes(id));
    seen.delete('U2');
    expect(seen).toEqual(new Set(expected));
  });

  it('answers whether a change is allowed', () => {
    expect(isAllowed('T5', 'processing', 'completed')).toBe(true);
    expect(isAllowed('T5', 'pending', 'completed')).toBe(false);
    expect(isAllowed('toString', 'pending', 'completed')).toBe(false);
  });
});
