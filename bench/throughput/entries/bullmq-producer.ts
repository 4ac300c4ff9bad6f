import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { inParallel } from '../in-parallel.ts';
import { Meter } from '../meter.ts';

/** BullMQ alone: adds jobs when the bench says so, one by one or in bulk. */
const { QUEUE_NAME = '', QUEUE_PREFIX = '', QUEUE_REDIS_PORT = '' } = process.env;
const queue = new Queue<{ n: number }>(QUEUE_NAME, {
  connection: new Redis({ port: Number(QUEUE_REDIS_PORT), maxRetriesPerRequest: null }),
  prefix: QUEUE_PREFIX,
});
await queue.waitUntilReady();

const meter = new Meter(({ from, count, inFlight, bulkSize }) =>
  inParallel(Math.ceil(count / bulkSize), inFlight, async batch => {
    const first = from + batch * bulkSize;
    const size = Math.min(bulkSize, from + count - first);
    if (bulkSize === 1) await queue.add('bench:noop', { n: first });
    else await queue.addBulk(Array.from({ length: size }, (_, n) => ({ name: 'bench:noop', data: { n: first + n } })));
  }),
);
meter.listen();
process.once('SIGTERM', () => void queue.close().then(() => process.exit(0)));
