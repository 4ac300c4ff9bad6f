import { describeConfiguration } from '../config/describe.ts';
import { loadConfig } from '../config/load.ts';
import { readEnvFiles } from '../config/read-env-files.ts';
import { ConfigError, messageOf } from '../platform/errors.ts';
import { parseVerifyOptions } from './verify-options.ts';
import { describeReport } from './verify-text.ts';

export interface CliOptions {
  args: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  /** Where the environment files are looked for. */
  folder: string;
  out: (text: string) => void;
  err: (text: string) => void;
}

/** Exit codes as in sysexits.h; 1 is an answer, not a failure. */
const EXIT = { ok: 0, drift: 1, usage: 64, unavailable: 69, configuration: 78 } as const;

const HELP = `Usage: ledgermq <command>

  check-config   reads the configuration, lists every problem, starts nothing
  config-docs    prints docs/configuration.md
  migrate        brings collections, validator and indexes of the ledger into shape; safe to repeat
  verify         compares ledger and engine, rule by rule, while everything runs; writes nothing
    --json         the report as JSON
    --limit N      only the newest N jobs
    --since T      only jobs made since then: 90s, 30m, 24h, 7d, or an ISO 8601 time
    --rate N       at most N jobs a second (5000)
  help           prints this

Exit codes: 0 done (verify: clean), 1 verify found drift, 64 wrong usage, 69 MongoDB cannot be used (verify: or Redis
cannot be asked), 78 the configuration is refused.
`;

/** `args`: what follows the command's name. */
type Command = (options: CliOptions, args: readonly string[]) => Promise<number>;

/** Commands that take options. */
const WITH_OPTIONS: ReadonlySet<string> = new Set(['verify']);

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['check-config', checkConfig],
  ['config-docs', printDocs],
  ['migrate', migrateLedger],
  ['verify', verifyLedger],
  ['help', printHelp],
  ['--help', printHelp],
  ['-h', printHelp],
]);

/** Runs one command and answers its exit code. */
export async function runCli(options: CliOptions): Promise<number> {
  const [name, ...rest] = options.args;
  const command = name === undefined ? undefined : COMMANDS.get(name);
  if (!command || name === undefined || (rest.length > 0 && !WITH_OPTIONS.has(name))) {
    options.err(name === undefined ? HELP : `ledgermq: ${[name, ...rest].join(' ')} is no command\n\n${HELP}`);
    return EXIT.usage;
  }
  try {
    return await command(options, rest);
  } catch (error) {
    options.err(`${messageOf(error)}\n`);
    return error instanceof ConfigError ? EXIT.configuration : EXIT.unavailable;
  }
}

async function printHelp({ out }: CliOptions): Promise<number> {
  out(HELP);
  return EXIT.ok;
}

async function printDocs({ out }: CliOptions): Promise<number> {
  out(describeConfiguration());
  return EXIT.ok;
}

async function checkConfig({ environment, folder, out }: CliOptions): Promise<number> {
  const config = loadConfig(readEnvFiles(environment, folder));
  out(`The configuration is fine: ${config.role}, NODE_ENV=${config.env}\n`);
  return EXIT.ok;
}

async function migrateLedger({ environment, folder, out }: CliOptions): Promise<number> {
  const config = loadConfig(readEnvFiles(environment, folder));
  // Loaded here alone: the other commands need no database driver.
  const { migrateOnce } = await import('./migrate-once.ts');
  await migrateOnce(config);
  out('The ledger is in shape.\n');
  return EXIT.ok;
}

async function verifyLedger({ environment, folder, out, err }: CliOptions, args: readonly string[]): Promise<number> {
  const request = parseVerifyOptions(args);
  if (typeof request === 'string') {
    err(`ledgermq verify: ${request}\n\n${HELP}`);
    return EXIT.usage;
  }
  const config = loadConfig(readEnvFiles(environment, folder));
  const { verifyAsRequested } = await import('./verify-once.ts');
  const report = await verifyAsRequested(config, request, progress => err(progress));
  out(request.json ? `${JSON.stringify(report, null, 2)}\n` : describeReport(report));
  if (report.drift > 0) return EXIT.drift;
  return report.engine.checked ? EXIT.ok : EXIT.unavailable;
}
