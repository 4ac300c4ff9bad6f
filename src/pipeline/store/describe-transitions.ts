import { TRANSITIONS } from './transitions.ts';

/** The transition table as Markdown: what docs/job-lifecycle.md holds between its two marks. */
export function describeTransitions(): string {
  const rows = Object.entries(TRANSITIONS).map(([id, { from, to, by, fence, concern, meaning }]) => {
    const statuses = (list: readonly (string | null)[]): string => list.map(status => status ?? '–').join(', ');
    return `| ${id} | ${statuses(from)} | ${statuses(to)} | ${by} | ${fence.join(', ') || '–'} | ${concern} | ${meaning} |`;
  });
  return [
    '| # | from | to | who | fenced by | write concern | meaning |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
