import type { FoundByRule } from '../store/check-record.ts';
import type { JobRecord } from '../store/ledger-reads.ts';
import type { Rule, Severity } from './rule.ts';
import { RULES } from './rules.ts';

/** Something that a rule found twice, with a pause between. */
export interface Finding {
  rule: string;
  severity: Severity;
  jobId: string | null;
  lane: string | null;
  detail: string;
}

/** So many findings of a rule are kept as examples; all are counted. */
const EXAMPLES_KEPT = 5;

/** What a check has found so far: numbers by rule, and a few examples of each. */
export class Findings {
  readonly #byRule = new Map<string, { count: number; examples: Finding[] }>();
  readonly #onFinding: (finding: Finding) => void;

  constructor(onFinding: (finding: Finding) => void = () => undefined) {
    this.#onFinding = onFinding;
  }

  add(rule: Rule, where: Pick<Finding, 'jobId' | 'lane'>, detail: string): void {
    const finding: Finding = { rule: rule.id, severity: rule.severity, ...where, detail };
    const entry = this.#byRule.get(rule.id) ?? { count: 0, examples: [] };
    entry.count += 1;
    if (entry.examples.length < EXAMPLES_KEPT) entry.examples.push(finding);
    this.#byRule.set(rule.id, entry);
    this.#onFinding(finding);
  }

  addOfJob(job: JobRecord, broken: readonly (readonly [Rule, string])[]): void {
    const where = { jobId: job._id.toHexString(), lane: job.queue ?? null };
    for (const [rule, detail] of broken) this.add(rule, where, detail);
  }

  /** What these rules found before is judged anew. */
  forget(rules: readonly Rule[]): void {
    for (const rule of rules) this.#byRule.delete(rule.id);
  }

  /** What was found before, on a part of the walk that is not repeated. */
  adopt(found: FoundByRule): void {
    for (const [id, count] of Object.entries(found)) this.#byRule.set(id, { count, examples: [] });
  }

  get total(): number {
    return [...this.#byRule.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** Every rule, found or not. */
  table(): (Rule & { count: number; examples: Finding[] })[] {
    return RULES.map(({ id, severity, text }) => ({
      id,
      severity,
      text,
      ...(this.#byRule.get(id) ?? { count: 0, examples: [] }),
    }));
  }

  /** Rules that found something. */
  counts(): FoundByRule {
    return Object.fromEntries([...this.#byRule].map(([id, { count }]) => [id, count]));
  }
}
