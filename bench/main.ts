import { writeSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readServerSettings } from '../src/config/server-settings.ts';
import { ProcessGuard } from '../src/embedded/servers/process-guard.ts';
import { type Servers, startServers } from '../src/embedded/servers/start-servers.ts';
import { createLogger } from '../src/platform/logger.ts';
import { benchEmbedded } from './embedded/bench-embedded.ts';
import { BullmqContender } from './throughput/bullmq-contender.ts';
import { SETTINGS } from './throughput/contender.ts';
import { LedgerContender } from './throughput/ledger-contender.ts';
import { figuresOf, tableOf } from './throughput/report.ts';
import { runRounds } from './throughput/run-rounds.ts';
import { RedisCounter } from './throughput/server-counters.ts';

const HELP = `Usage: npm run bench -- [--rounds 5] [--jobs 20000] [--only throughput|idle|embedded] [--short]

Measures LedgerMQ beside BullMQ alone, on the same servers and in turns: jobs that do nothing, submitted one by one while the
worker runs, then drained from a backlog; and from submit to start when nothing else happens. With --only embedded: the embedded ledger server alone.

  --short   2 rounds of 3,000 jobs, small collections: whether it works, no figures to quote
`;

interface Options {
  rounds: number;
  jobs: number;
  parts: ReadonlySet<'throughput' | 'idle'>;
  embedded: boolean;
  short: boolean;
}

function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      jobs: { type: 'string' },
      only: { type: 'string' },
      short: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.short ? 2 : 5));
  const jobs = Number(values.jobs ?? (values.short ? 3_000 : 20_000));
  const isKnown = values.only === undefined || ['throughput', 'idle', 'embedded'].includes(values.only);
  if (values.help || !isKnown || !(rounds >= 1) || !(jobs >= 1)) return null;
  return {
    rounds,
    jobs,
    parts: new Set(values.only === undefined ? ['throughput', 'idle'] : [values.only]),
    embedded: values.only === 'embedded',
    short: values.short,
  } as Options;
}

async function bench({ rounds, jobs, parts }: Options): Promise<void> {
  const folder = resolve('.data/bench');
  const dataDir = join(folder, `servers-${process.pid}`);
  // As for the tests: MONGO_URI may be somebody's ledger and is not looked at.
  const environment = { ...process.env, MONGO_URI: process.env.TEST_MONGO_URI, QUEUE_REDIS_HOST: undefined };
  const servers = await startServers({
    mode: 'private',
    dataDir,
    config: readServerSettings({ ...environment, QUEUE_REDIS_PORT: undefined, REDIS_URL: undefined }),
    log: createLogger({ level: 'warn', name: 'bench' }),
  });
  const guard = new ProcessGuard();
  const redis = new RedisCounter(servers.redis.port);
  try {
    await guard.start();
    say(`${servers.describe()}\n${settingsText(rounds, jobs)}\n`);
    const results = await runRounds({
      rounds,
      jobs,
      parts,
      idleSamples: 100,
      progress: say,
      contenders: round => [
        new LedgerContender({
          environment: servers.environment(),
          mongoUri: withDatabase(servers.mongo.uri, `ledgermq_bench_${process.pid}_${round}`),
          redis,
          guard,
          cwd: dataDir,
        }),
        new BullmqContender({ redisPort: servers.redis.port, redis, guard, cwd: dataDir }),
      ],
    });
    const figures = figuresOf(results);
    say(
      `\nMedians of ${rounds} rounds; MongoDB: ${servers.mongo.kind} ${servers.mongo.version}\n\n${tableOf(figures)}`,
    );
    const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}.json`);
    await mkdir(folder, { recursive: true });
    await writeFile(
      file,
      JSON.stringify({ machine: machine(servers), rounds, jobs, settings: SETTINGS, figures, results }),
    );
    say(`\nEvery round: ${file}`);
  } finally {
    redis.close();
    await guard.stop();
    await servers.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function settingsText(rounds: number, jobs: number): string {
  const { concurrency, submitsInFlight, bulkSize } = SETTINGS;
  return (
    `Node ${process.version} on ${availableParallelism()} cores. ${rounds} rounds of ${jobs} jobs; each side has one process ` +
    `that takes jobs in (LedgerMQ: the API, over HTTP with a key; BullMQ: its producer, without HTTP) and one worker of ` +
    `concurrency ${concurrency}; ${submitsInFlight} submits in flight, ${bulkSize} jobs a bulk submit. Log level warn. ` +
    `The HTTP client, which is the bench itself, is in no figure but the rates.`
  );
}

function machine({ mongo, redis }: Servers): object {
  return {
    node: process.version,
    platform: process.platform,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    mongo: { kind: mongo.kind, version: mongo.version },
    redis: { version: redis.version },
  };
}

function withDatabase(uri: string, name: string): string {
  const [, base, query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri) ?? [];
  if (!base) throw new Error('no MongoDB connection string');
  return `${base}/${name}${query}`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const options = readOptions();
if (options?.embedded) {
  await benchEmbedded({ short: options.short, folder: resolve('.data/bench'), say });
} else if (options) {
  await bench(options);
} else {
  writeSync(2, HELP);
  process.exitCode = 64;
}
