import { chaosRegistry } from '../../bench/chaos/job/chaos-registry.ts';
import { runProcess } from '../../src/run-process.ts';

/** A LedgerMQ process under chaos, API or worker: the product as it is, with job types that leave evidence. */
const { CHAOS_AUDIT_DIR = '.', CHAOS_WORKER = 'unnamed' } = process.env;
await runProcess({
  registry: chaosRegistry({ auditDir: CHAOS_AUDIT_DIR, worker: CHAOS_WORKER }),
  environment: process.env,
});
