import { mkdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { ProcessGuard } from '../../src/embedded/servers/process-guard.ts';
import { type Figure, tableOf } from './figure.ts';
import { fill, measureCompaction, measureLarge } from './large-collection.ts';
import { MeasuredServer } from './measured-server.ts';
import { measureProductMix } from './product-mix.ts';

interface Sizes {
  jobs: number;
  documents: number;
  rewrites: number;
}

const FULL: Sizes = { jobs: 100_000, documents: 1_000_000, rewrites: 15 };
const SHORT: Sizes = { jobs: 5_000, documents: 50_000, rewrites: 6 };

/** Measures the embedded ledger server alone; prints a table and writes the figures into `folder`. */
export async function benchEmbedded(options: {
  short: boolean;
  folder: string;
  say: (text: string) => void;
}): Promise<void> {
  const { short, folder, say } = options;
  const sizes = short ? SHORT : FULL;
  const guard = new ProcessGuard();
  const dataDir = join(folder, `embedded-${process.pid}`);
  try {
    await guard.start();
    await mkdir(dataDir, { recursive: true });
    say(`Embedded ledger server, Node ${process.version} on ${availableParallelism()} cores.\n`);
    const figures = await measureAll(sizes, dataDir, guard, say);
    say(`\n${tableOf(figures)}`);
    const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}-embedded.json`);
    const machine = { node: process.version, cores: availableParallelism(), cpu: cpus()[0]?.model ?? 'unknown' };
    await writeFile(file, JSON.stringify({ machine, sizes, figures }));
    say(`\nFigures: ${file}`);
  } finally {
    await guard.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measureAll(
  { jobs, documents, rewrites }: Sizes,
  dataDir: string,
  guard: ProcessGuard,
  say: (text: string) => void,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  const measure = async (what: string, name: string, run: (server: MeasuredServer) => Promise<Figure[]>) => {
    say(`${what} …`);
    const server = await MeasuredServer.start(join(dataDir, name), guard);
    try {
      figures.push(...(await run(server)));
    } finally {
      await server.stop();
    }
  };
  await measure('the product’s own mix', 'mix', server => measureProductMix(server, jobs));
  await measure('filling a large collection', 'large', server => fill(server, documents));
  await measure('reading it after a new start', 'large', measureLarge);
  await measure('rewriting documents', 'rewritten', server => measureCompaction(server, rewrites));
  return figures;
}
