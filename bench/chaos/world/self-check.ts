import { verifyOnce } from '../../../src/cli/verify-once.ts';
import { lanesOf } from '../../../src/jobs/define-job.ts';
import { testConfig } from '../../../test/helpers/config.ts';
import { chaosRegistry } from '../job/chaos-registry.ts';
import type { RoundServers } from './servers.ts';

/**
 * What the product's own check says of ledger and engine after the round: the findings in words, none when they agree. It sees
 * only what is stored, the oracle what happened: where one of them finds something and the other does not, one is wrong.
 */
export async function findDrift(servers: RoundServers): Promise<string[]> {
  const { directUri, redis } = servers;
  const config = testConfig({ mongo: { uri: directUri }, redis });
  const lanes = lanesOf(chaosRegistry({ auditDir: '', worker: 'none' }), config.queue.lanes);
  const range = { below: null, from: null, most: Number.POSITIVE_INFINITY };
  const report = await verifyOnce(config, lanes, { range, jobsPerSecond: Number.POSITIVE_INFINITY });
  const found = report.rules.filter(({ count }) => count > 0);
  const words = found.map(({ id, count, examples }) => `${id} ${count}× (${examples[0]?.detail ?? ''})`);
  return report.engine.checked ? words : [...words, `the engine was not checked: ${report.engine.reason}`];
}
