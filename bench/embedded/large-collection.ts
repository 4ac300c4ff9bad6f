import { mongo } from 'mongoose';
import { JOB_INDEXES } from '../../src/pipeline/store/migrate.ts';
import { percentile } from '../statistics.ts';
import { inParallel } from '../throughput/in-parallel.ts';
import type { Figure } from './figure.ts';
import type { MeasuredServer } from './measured-server.ts';

const INDEXES = JOB_INDEXES.filter(({ name }) => ['claim', 'list', 'list-by-type'].includes(name!));
const BATCH = 5_000;

/** Documents of 200 bytes under three of the product's indexes. */
export async function fill(server: MeasuredServer, documents: number): Promise<Figure[]> {
  const jobs = server.client.db('large').collection('jobs');
  await jobs.createIndexes([...INDEXES]);
  const begin = performance.now();
  await inParallel(Math.ceil(documents / BATCH), 2, async batch => {
    const size = Math.min(BATCH, documents - batch * BATCH);
    await jobs.insertMany(
      Array.from({ length: size }, (_, n) => smallJob(batch * BATCH + n)),
      { writeConcern: { w: 1 }, ordered: false },
    );
  });
  const perSecond = (documents / (performance.now() - begin)) * 1_000;
  return [{ name: `fill, ${documents} documents`, unit: 'documents/s', value: perSecond }];
}

function smallJob(n: number): mongo.Document {
  return {
    _id: new mongo.ObjectId(),
    tenant: 'default',
    type: 'bench:noop',
    queue: 'default',
    status: n % 2 === 0 ? 'pending' : 'completed',
    priority: n % 3,
    runAt: new Date(Date.now() + (n % 5 === 0 ? -n : 3_600_000 + n)),
    text: 'x'.repeat(46),
  };
}

/** What a filled server does after a new start. */
export async function measureLarge(server: MeasuredServer): Promise<Figure[]> {
  const residentMb = await server.residentMb();
  const cold = await claimTimes(server, 300);
  const claims = await claimTimes(server, 1_000);
  return [
    { name: '  start from disk', unit: 's', value: server.startMs / 1_000, goal: '< 20' },
    { name: '  resident after the start', unit: 'MB', value: residentMb, goal: '< 1,500' },
    { name: '  claim query, limit 100, first 300, p50', unit: 'ms', value: percentile(cold, 50) },
    { name: '  claim query, limit 100, p50', unit: 'ms', value: percentile(claims, 50), goal: '< 2' },
    { name: '  claim query, limit 100, p99', unit: 'ms', value: percentile(claims, 99) },
    { name: '  slowest ping during scans', unit: 'ms', value: await slowestPing(server), goal: '≤ 50' },
    { name: '  resident at the end', unit: 'MB', value: await server.residentMb(), goal: '< 1,500' },
  ];
}

async function claimTimes({ client }: MeasuredServer, times: number): Promise<number[]> {
  const jobs = client.db('large').collection('jobs');
  const took: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const begin = performance.now();
    const due = await jobs
      .find(
        { status: 'pending', queue: 'default', runAt: { $lte: new Date() } },
        { projection: { _id: 1, type: 1, version: 1 }, sort: { priority: -1, runAt: 1, _id: 1 }, limit: 100 },
      )
      .toArray();
    took.push(performance.now() - begin);
    if (due.length !== 100) throw new Error(`${due.length} jobs are due`);
  }
  return took;
}

/** Pings without a pause while the whole collection is read without an index, twice. */
async function slowestPing({ client }: MeasuredServer): Promise<number> {
  const jobs = client.db('large').collection('jobs');
  const scans = async () => {
    await jobs.countDocuments({ text: 'nowhere' });
    await jobs.aggregate([{ $group: { _id: '$status', n: { $sum: 1 } } }]).toArray();
  };
  let isScanning = true;
  const scanned = scans().finally(() => {
    isScanning = false;
  });
  let slowest = 0;
  while (isScanning) {
    const begin = performance.now();
    await client.db('admin').command({ ping: 1 });
    slowest = Math.max(slowest, performance.now() - begin);
  }
  await scanned;
  return slowest;
}

/** The longest that the journal gets, measured in the data it describes, while every document is written again and again. */
export async function measureCompaction(server: MeasuredServer, rounds: number): Promise<Figure[]> {
  const things = server.client.db('rewritten').collection<{ _id: number; n: number; text: string }>('things');
  const documents = Array.from({ length: 20_000 }, (_, _id) => ({ _id, n: 0, text: 'x'.repeat(2_000) }));
  const dataBytes = documents.reduce((sum, document) => sum + mongo.BSON.calculateObjectSize(document), 0);
  await things.insertMany(documents, { writeConcern: { w: 1 } });
  let [journal, files] = [0, 0];
  for (let round = 0; round < rounds; round += 1) {
    for (let from = 0; from < documents.length; from += 1_000) {
      await things.updateMany(
        { _id: { $gte: from, $lt: from + 1_000 } },
        { $inc: { n: 1 } },
        { writeConcern: { w: 1 } },
      );
      journal = Math.max(journal, server.bytesOf('journal'));
      files = Math.max(files, server.bytesOf('journal') + server.bytesOf('snapshot'));
    }
  }
  const name = `rewritten ${rounds} times, ${Math.round(dataBytes / 1e6)} MB:`;
  return [
    { name: `${name} longest journals`, unit: '× data', value: journal / dataBytes, goal: '≤ 3' },
    { name: `${name} with snapshots`, unit: '× data', value: files / dataBytes },
  ];
}
