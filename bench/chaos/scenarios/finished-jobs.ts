import { percentile } from '../../statistics.ts';
import { FinishedLedger } from '../world/finished-ledger.ts';
import { atMost, told } from './measures.ts';
import { type Played, type Scenario, type Stage, scaled } from './scenario.ts';

const FEW = 10_000;
/** What the row asks for, and what the embedded ledger server is good for: it holds everything in memory. */
const MANY = { mongod: 10_000_000, embedded: 300_000 };
/** Fewer would show nothing. */
const LEAST = 100_000;
const CLAIMS = 2_000;
const BATCH = 10;
const MOST_RATIO = 1.3;

/** F21: what a claim costs beside very many finished jobs. */
export const finishedJobs: Scenario = {
  name: 'F21',
  row: 'F21',
  title: `${CLAIMS.toLocaleString('en')} claims of ${BATCH} jobs beside 10 M finished jobs, or as many as the server at hand carries`,
  target: `claim p99 ≤ ${MOST_RATIO} × p99 at 10 k`,
  play,
};

/** Two servers of their own; claims take turns, so that whatever else the machine does meets both. */
async function play({ scale, say, signal }: Stage): Promise<Played> {
  const startedAt = performance.now();
  const [few, many] = [await FinishedLedger.start(), await FinishedLedger.start()];
  try {
    const finished = scaled(MANY[many.kind], scale, LEAST);
    for (const [ledger, count] of [
      [few, FEW],
      [many, finished],
    ] as const) {
      await ledger.fill({ finished: count, pending: CLAIMS * BATCH, signal });
      say(`${count} finished jobs in one ledger`);
    }
    const took = { few: [] as number[], many: [] as number[] };
    for (let claim = 0; claim < CLAIMS; claim += 1) {
      signal.throwIfAborted();
      took.few.push(await few.claim(BATCH));
      took.many.push(await many.claim(BATCH));
    }
    const [fewP99, manyP99] = [percentile(took.few, 99), percentile(took.many, 99)];
    return {
      servers: many.describe(),
      durationMs: Math.round(performance.now() - startedAt),
      gaveUp: null,
      evidence: null,
      measures: [
        told('finished jobs', `${finished} against ${FEW}`),
        told('claim p50', `${percentile(took.many, 50).toFixed(1)} against ${percentile(took.few, 50).toFixed(1)} ms`),
        told('claim p99', `${manyP99.toFixed(1)} against ${fewP99.toFixed(1)} ms`),
        atMost('claim p99 / p99 at 10 k', manyP99 / fewP99, MOST_RATIO),
      ],
    };
  } finally {
    await Promise.all([few.stop(), many.stop()]);
  }
}
