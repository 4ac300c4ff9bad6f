import { writeSync } from 'node:fs';
import type { Config } from './config/config.ts';
import { loadConfig } from './config/load.ts';
import { readEnvFiles } from './config/read-env-files.ts';
import type { JobRegistry } from './jobs/define-job.ts';
import { ConfigError, messageOf } from './platform/errors.ts';
import { createLogger, type Logger } from './platform/logger.ts';

const EXIT = { ok: 0, failed: 1, badConfiguration: 78 } as const;

/** A started process: `stop` answers its exit code, `broken` resolves with a reason when it should end by itself. */
interface Running {
  stop(): Promise<number>;
  broken: Promise<string>;
}

/**
 * The whole life of a LedgerMQ process with this registry: configuration, role, signals, exit code. Entry files of one's
 * own (other job types) call this and nothing else. Each role loads what it needs and no more: the child of an isolated
 * run has to start quickly.
 */
export async function runProcess(options: {
  registry: JobRegistry;
  environment: Readonly<Record<string, string | undefined>>;
}): Promise<void> {
  const config = readConfig(options.environment);
  if (!config) return exit(EXIT.badConfiguration);
  const logger = createLogger({ level: config.logLevel, name: 'ledgermq' });
  if (config.worker.isChild) {
    // The worker that forked this process decides when it ends.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined);
    const { runChild } = await import('./worker/run-child.ts');
    await runChild({ config, registry: options.registry, logger });
    return exit(EXIT.ok);
  }
  const starting = start(config, options.registry, logger);
  superviseProcess(starting, logger);
  try {
    await starting;
  } catch (error) {
    logger.fatal({ error: messageOf(error) }, 'start failed');
    exit(EXIT.failed);
  }
}

function readConfig(environment: Readonly<Record<string, string | undefined>>): Config | null {
  try {
    return loadConfig(readEnvFiles(environment, process.cwd()));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    writeSync(2, `${error.message}\n`);
    return null;
  }
}

async function start(config: Config, registry: JobRegistry, logger: Logger): Promise<Running> {
  if (config.role === 'worker') {
    const { startWorker } = await import('./worker/start-worker.ts');
    const worker = await startWorker({ config, registry, logger });
    return { broken: worker.broken, stop: async () => ((await worker.stop()).clean ? EXIT.ok : EXIT.failed) };
  }
  const { startPublisher } = await import('./publisher/publisher.ts');
  const publisher = await startPublisher({ config, registry, logger });
  logger.info(
    { url: publisher.url },
    'publisher API is up (WORKER_MODE is not true; WORKER_MODE=true starts a worker)',
  );
  return {
    broken: new Promise(() => undefined),
    stop: async () => {
      await publisher.stop();
      return EXIT.ok;
    },
  };
}

/**
 * Signals stop gracefully, once; more of them change nothing, and one that comes early waits for the start to be over. What
 * nobody caught is logged once and ends the process.
 */
function superviseProcess(starting: Promise<Running>, logger: Logger): void {
  let ending = false;
  const end = async (code: number | null, why: object, message: string): Promise<void> => {
    if (ending) return;
    ending = true;
    logger[code === null ? 'info' : 'fatal'](why, message);
    const stopped = await starting
      .then(running => running.stop())
      .catch(error => {
        logger.error({ error: messageOf(error) }, 'stop failed');
        return EXIT.failed;
      });
    exit(code ?? stopped);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => void end(null, { signal }, 'stopping'));
  }
  // After an exception nobody caught no state can be trusted: leases run out, other workers take over.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, error => {
      if (!ending)
        logger.fatal({ event, error: messageOf(error), stack: stackOf(error) }, 'a fault that nobody caught');
      exit(EXIT.failed);
    });
  }
  starting
    .then(async running => end(EXIT.failed, { reason: await running.broken }, 'this worker cannot go on'))
    // A start that failed is told where it was awaited.
    .catch(() => undefined);
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

function exit(code: number): void {
  process.exit(code);
}
