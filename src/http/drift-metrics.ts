import { readCheckRecord } from '../pipeline/store/check-record.ts';
import type { StoreContext } from '../pipeline/store/store-context.ts';
import type { Rule } from '../pipeline/verify/rule.ts';
import { RULES } from '../pipeline/verify/rules.ts';
import type { MetricFamily } from './metrics-route.ts';

/**
 * What the background check found, whichever process of the fleet looked. Nothing before the first look, and nothing while the
 * ledger cannot be read.
 */
export async function driftMetrics(context: StoreContext): Promise<MetricFamily[]> {
  const record = await readCheckRecord(context).catch(() => null);
  if (!record) return [];
  const { last, round } = record;
  const found = ({ id, severity }: Rule): number => {
    const [before, now] = [last?.found[id] ?? 0, round?.found[id] ?? 0];
    // What is stuck is looked for at the beginning of a round; what is broken, all along it.
    return severity === 'stuck' && round ? now : Math.max(before, now);
  };
  const drift = RULES.map(rule => ({ labels: { rule: rule.id, severity: rule.severity }, value: found(rule) }));
  const gauge = (name: string, help: string, value: number | null | undefined): MetricFamily[] =>
    typeof value === 'number' ? [{ name, help, type: 'gauge', samples: [{ value }] }] : [];
  return [
    { name: 'ledgermq_drift', help: 'Findings of the check of the ledger, by rule.', type: 'gauge', samples: drift },
    ...gauge(
      'ledgermq_drift_check_timestamp_seconds',
      'When the check had last seen the whole ledger.',
      last?.finishedAt && last.finishedAt.getTime() / 1_000,
    ),
    ...gauge('ledgermq_drift_checked_jobs', 'Jobs that this check looked at.', last?.jobs),
    ...gauge(
      'ledgermq_engine_leftovers',
      'Entries of the engine whose job has ended or is in other hands.',
      (round ?? last)?.leftovers,
    ),
  ];
}
