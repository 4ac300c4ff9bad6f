import type { RetryStrategy } from '../platform/backoff.ts';
import type { Environment } from './aliases.ts';
import { parseApiKeys } from './api-keys.ts';
import type { Config } from './config.ts';
import type { VariableName } from './variables.ts';

export type Value = string | number | boolean | null;
export type Values = Readonly<Record<VariableName, Value>>;

/** Values as the types that their variables' kinds promise. */
class Reader {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  text(name: VariableName): string {
    return this.#values[name] as string;
  }

  optional(name: VariableName): string | null {
    return this.#values[name] as string | null;
  }

  number(name: VariableName): number {
    return this.#values[name] as number;
  }

  flag(name: VariableName): boolean {
    return this.#values[name] as boolean;
  }

  list(name: VariableName): string[] {
    return (this.optional(name) ?? '')
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== '');
  }
}

/** Turns parsed variables into the Config; what does not go together goes to `problems`. */
export function assemble(values: Values, given: Environment, problems: string[]): Config {
  const read = new Reader(values);
  const env = read.text('NODE_ENV') as Config['env'];
  const keys = parseApiKeys(read.optional('API_KEYS'), problems);
  const boardUser = read.optional('BOARD_USER');
  const boardPassword = read.optional('BOARD_PASSWORD');
  if ((boardUser === null) !== (boardPassword === null)) problems.push('BOARD_USER and BOARD_PASSWORD go together');
  if (!given.MONGO_URI?.trim() && !given.MONGO_URI_FILE?.trim()) problems.push('MONGO_URI is required');
  return {
    env,
    role: read.flag('WORKER_MODE') ? 'worker' : 'publisher',
    logLevel: read.text('LOG_LEVEL'),
    http: {
      host: read.optional('HOST') ?? (keys.length > 0 ? '0.0.0.0' : '127.0.0.1'),
      port: read.number('PORT'),
      healthPort: read.number('HEALTH_PORT'),
      rateLimitPerSecond: read.number('RATE_LIMIT_PER_SECOND'),
      metricsAuth:
        read.optional('METRICS_AUTH') === null ? env === 'production' : read.optional('METRICS_AUTH') === 'true',
    },
    mongo: { uri: read.optional('MONGO_URI') ?? '', deadlineMs: read.number('MONGO_DEADLINE_MS') },
    redis: redisSettings(read),
    queue: { name: read.text('QUEUE_NAME'), prefix: read.text('QUEUE_PREFIX'), lanes: read.list('QUEUES') },
    worker: workerSettings(read),
    lease: leaseSettings(read),
    verify: { intervalMs: read.number('VERIFY_INTERVAL_MS'), roundMs: read.number('VERIFY_ROUND_MS') },
    jobDefaults: jobDefaultsSettings(read),
    retention: { completedMs: read.number('RETENTION_COMPLETED_MS'), failedMs: read.number('RETENTION_FAILED_MS') },
    access: { keys, board: boardUser && boardPassword ? { user: boardUser, password: boardPassword } : null },
    files: { dir: read.text('FILES_DIR'), exportCollections: read.list('EXPORT_COLLECTIONS') },
    smtp: smtpSettings(read),
    outgoing: { allowHosts: read.list('WEBHOOK_ALLOW_HOSTS') },
    embedded: {
      mongo: read.text('LEDGERMQ_MONGO') as Config['embedded']['mongo'],
      mongodBinary: read.optional('MONGOD_BINARY'),
    },
  };
}

function redisSettings(read: Reader): Config['redis'] {
  return {
    host: read.text('QUEUE_REDIS_HOST'),
    port: read.number('QUEUE_REDIS_PORT'),
    db: read.number('QUEUE_REDIS_DB'),
    username: read.optional('QUEUE_REDIS_USERNAME'),
    password: read.optional('QUEUE_REDIS_PASSWORD'),
    tls: read.flag('QUEUE_REDIS_TLS'),
  };
}

function workerSettings(read: Reader): Config['worker'] {
  return {
    batchSize: read.number('BATCH_SIZE_JOBS'),
    concurrency: read.number('WORKER_SIZE_JOBS'),
    intervalMs: read.number('WORKER_PROCESSING_INTERVAL'),
    drainDeadlineMs: read.number('DRAIN_DEADLINE_MS'),
    watchdogMs: read.number('WATCHDOG_MS'),
    poisonCrashes: read.number('POISON_CRASHES'),
    childHeapMb: read.number('CHILD_HEAP_MB'),
    isChild: read.flag('LEDGERMQ_CHILD'),
  };
}

function jobDefaultsSettings(read: Reader): Config['jobDefaults'] {
  return {
    maxRetries: read.number('TASK_DEFAULT_MAX_RETRIES'),
    retry: {
      strategy: read.text('TASK_DEFAULT_RETRY_STRATEGY') as RetryStrategy,
      delayMs: read.number('TASK_DEFAULT_RETRY_DELAY'),
    },
    timeoutMs: read.number('TASK_DEFAULT_TIMEOUT'),
  };
}

function leaseSettings(read: Reader): Config['lease'] {
  return {
    leaseMs: read.number('LEASE_MS'),
    beatMs: read.number('BEAT_MS'),
    graceMs: read.number('GRACE_MS'),
    sweepMs: read.number('SWEEP_MS'),
    queuedLeaseMs: read.number('QUEUED_LEASE_MS'),
  };
}

function smtpSettings(read: Reader): Config['smtp'] {
  return {
    url: read.optional('SMTP_URL'),
    host: read.optional('SMTP_HOST'),
    port: read.number('SMTP_PORT'),
    user: read.optional('SMTP_USER'),
    password: read.optional('SMTP_PASSWORD'),
    secure: read.flag('SMTP_SECURE'),
    from: read.text('SMTP_FROM'),
  };
}
