import { KEYWORDS } from '../../../src/embedded/documents/json-schema.ts';
import { OPERATORS } from '../../../src/embedded/documents/match.ts';
import { STAGES } from '../../../src/embedded/documents/stages.ts';
import { operators } from '../../../src/embedded/documents/update-operators.ts';
import { words } from '../../../src/embedded/documents/words.ts';
import { commands, GENERIC } from '../../../src/embedded/wire-server/dispatch.ts';
import { KNOWN_FAIL_POINTS } from '../../../src/embedded/wire-server/fail-points.ts';
import { INDEX_OPTIONS } from '../../../src/embedded/wire-server/index-commands.ts';
import { DELETE_FIELDS, UPDATE_FIELDS } from '../../../src/embedded/wire-server/write-commands.ts';

/** What the embedded ledger server serves, from its own tables: what docs/embedded.md holds between its two marks. */
export function describeServed(): string {
  const code = (names: Iterable<string>) => Array.from(names, name => `\`${name}\``).join(' ') || '–';
  const rows = Object.entries(commands).map(([name, { fields, refused = '', inTransaction, adminOnly }]) => {
    const remarks = [inTransaction && 'in transactions', adminOnly && 'on admin'].filter(Boolean).join(', ');
    const known = words(fields).filter(field => !words(refused).includes(field));
    return `| \`${name}\` | ${code(known)} | ${remarks} |`;
  });
  return [
    '| command | fields | |',
    '|---|---|---|',
    ...rows,
    '',
    `* Every command: ${code(GENERIC)}`,
    `* Statements of update: ${code(UPDATE_FIELDS)}; of delete: ${code(DELETE_FIELDS)}`,
    `* Query operators: ${code(['$and', '$or', ...Object.keys(OPERATORS)])}; regular expressions as values`,
    `* Update operators: ${code(Object.keys(operators))}`,
    `* Stages: ${code(['$changeStream', '$sort', '$skip', '$limit', ...Object.keys(STAGES)])}; \`$group\` with \`$sum\``,
    `* Index options: ${code(INDEX_OPTIONS)}`,
    `* Keywords of \`$jsonSchema\`: ${code(Object.keys(KEYWORDS))}`,
    `* Fail points: ${code(KNOWN_FAIL_POINTS)}`,
  ].join('\n');
}
