import { describeConfiguration } from '../config/describe.ts';
import { loadConfig } from '../config/load.ts';
import { readEnvFiles } from '../config/read-env-files.ts';
import { ConfigError, messageOf } from '../platform/errors.ts';

export interface CliOptions {
  args: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  /** Where the environment files are looked for. */
  folder: string;
  out: (text: string) => void;
  err: (text: string) => void;
}

/** Exit codes as in sysexits.h. */
const EXIT = { ok: 0, usage: 64, unavailable: 69, configuration: 78 } as const;

const HELP = `Usage: ledgermq <command>

  check-config   reads the configuration, lists every problem, starts nothing
  config-docs    prints docs/configuration.md
  migrate        brings collections, validator and indexes of the ledger into shape; safe to repeat
  help           prints this

Exit codes: 0 done, 64 wrong usage, 69 MongoDB cannot be used, 78 the configuration is refused.
`;

type Command = (options: CliOptions) => Promise<number>;

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['check-config', checkConfig],
  ['config-docs', printDocs],
  ['migrate', migrateLedger],
  ['help', printHelp],
  ['--help', printHelp],
  ['-h', printHelp],
]);

/** Runs one command and answers its exit code. */
export async function runCli(options: CliOptions): Promise<number> {
  const [name, ...rest] = options.args;
  const command = name === undefined ? undefined : COMMANDS.get(name);
  if (!command || rest.length > 0) {
    options.err(name === undefined ? HELP : `ledgermq: ${[name, ...rest].join(' ')} is no command\n\n${HELP}`);
    return EXIT.usage;
  }
  try {
    return await command(options);
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
