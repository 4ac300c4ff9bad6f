import { z } from 'zod';
import { createRegistry, defineJob } from '../../../src/jobs/define-job.ts';
import { runProcess } from '../../../src/run-process.ts';
import { Meter } from '../meter.ts';

/** LedgerMQ as it is, API or worker by WORKER_MODE, with one job type that does nothing. */
const meter = new Meter();
meter.listen();

const noop = defineJob({
  type: 'bench:noop',
  payload: z.strictObject({ n: z.int() }),
  async run({ n }) {
    meter.started(n);
    meter.ended();
    return null;
  },
});

await runProcess({ registry: createRegistry([noop]), environment: process.env });
