import { CATCH_WITHIN_SECONDS, type MutantRecord, wasCaught } from '../mutants/hunt.ts';

const HEAD = ['| mutant | what is taken out | met by | caught by | in | seed |', '|---|---|---|---|---|---|'];

/** The published table: a line a mutant. Pure; a test compares it with the page. */
export function describeMutants(records: readonly MutantRecord[]): string {
  return [...HEAD, ...records.map(describeMutant)].join('\n');
}

function describeMutant(record: MutantRecord): string {
  const { mutant, what, scenario, scale, caughtBy, seconds, seed } = record;
  const verdict = wasCaught(record) ? caughtBy.join(', ') : '**survived**';
  return `| ${mutant} | ${what} | ${scenario} (scale ${scale}) | ${verdict} | ${seconds} s | ${seed} |`;
}

/** One line for people. */
export function describeHunt(record: MutantRecord): string {
  const { mutant, scenario, caughtBy, seconds, rounds } = record;
  if (wasCaught(record))
    return `mutant ${mutant} caught by ${caughtBy.join(', ')} in round ${rounds} of ${scenario}, after ${seconds} s`;
  if (caughtBy.length > 0)
    return `MUTANT SURVIVED: ${mutant} was caught only after ${seconds} s, ${CATCH_WITHIN_SECONDS} s are allowed`;
  return `MUTANT SURVIVED: ${mutant} broke none of its rules in ${rounds} rounds of ${scenario}`;
}
