import type { Contender, Throughput } from './contender.ts';

export interface RoundsOptions {
  rounds: number;
  jobs: number;
  /** Latencies a round. */
  idleSamples: number;
  parts: ReadonlySet<'throughput' | 'idle'>;
  /** A fresh pair for each round. */
  contenders: (round: number) => readonly [Contender, Contender];
  progress: (text: string) => void;
}

/** Everything measured of one contender, a value a round (latencies: all samples of all rounds). */
export interface Results {
  submitToCompleted: Throughput[];
  drain: Throughput[];
  idleMs: number[];
}

/** The contenders take turns in every round, and take turns in who is first: a noisy minute hits both. */
export async function runRounds(options: RoundsOptions): Promise<Record<Contender['name'], Results>> {
  const results = { LedgerMQ: noResults(), BullMQ: noResults() };
  for (let round = 1; round <= options.rounds; round += 1) {
    const pair = options.contenders(round);
    for (const contender of round % 2 === 1 ? pair : [...pair].reverse()) {
      try {
        await measure(contender, options, results[contender.name]);
      } finally {
        await contender.stop();
      }
      options.progress(`round ${round}/${options.rounds} ${contender.name}: ${lastOf(results[contender.name])}`);
    }
  }
  return results;
}

async function measure(contender: Contender, options: RoundsOptions, results: Results): Promise<void> {
  const { jobs, idleSamples, parts } = options;
  await contender.start();
  if (parts.has('throughput')) results.submitToCompleted.push(await contender.submitToCompleted(jobs));
  if (parts.has('idle')) results.idleMs.push(...(await contender.idleLatencies(idleSamples)));
  if (parts.has('throughput')) results.drain.push(await contender.drain(jobs));
}

function noResults(): Results {
  return { submitToCompleted: [], drain: [], idleMs: [] };
}

function lastOf({ submitToCompleted, drain, idleMs }: Results): string {
  const rate = (values: readonly Throughput[]) => Math.round(values.at(-1)?.jobsPerSecond ?? 0);
  if (submitToCompleted.length === 0) return `${idleMs.length} latencies so far`;
  return `submit→completed ${rate(submitToCompleted)} jobs/s, drain ${rate(drain)} jobs/s`;
}
