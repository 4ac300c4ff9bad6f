import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { Meter } from '../meter.ts';

/** BullMQ alone: one Worker whose processor does nothing. Settings come from the environment, as for LedgerMQ. */
const { QUEUE_NAME = '', QUEUE_PREFIX = '', QUEUE_REDIS_PORT = '', WORKER_SIZE_JOBS = '' } = process.env;
const meter = new Meter();
meter.listen();

const worker = new Worker<{ n: number }>(
  QUEUE_NAME,
  async job => {
    meter.started(job.data.n);
    return null;
  },
  {
    connection: new Redis({ port: Number(QUEUE_REDIS_PORT), maxRetriesPerRequest: null }),
    prefix: QUEUE_PREFIX,
    concurrency: Number(WORKER_SIZE_JOBS),
    removeOnComplete: { count: 500 },
  },
);
worker.on('completed', () => meter.ended());
worker.on('error', error => process.stderr.write(`${error.message}\n`));
process.once('SIGTERM', () => void worker.close().then(() => process.exit(0)));
