import { RETRY_STRATEGIES } from '../platform/backoff.ts';

/** One environment variable: its bounds, default and text stand here and nowhere else. */
export type Variable =
  | { kind: 'integer'; min: number; max: number; default: number; unit?: string; text: string }
  | { kind: 'boolean'; default: boolean; text: string }
  | { kind: 'choice'; values: readonly string[]; default: string; text: string }
  | { kind: 'text'; default: string | null; secret?: boolean; pattern?: RegExp; hint?: string; text: string };

function integer(min: number, max: number, defaultValue: number, text: string, unit?: string): Variable {
  return { kind: 'integer', min, max, default: defaultValue, text, ...(unit ? { unit } : {}) };
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Every variable that LedgerMQ reads, in the order of docs/configuration.md. A secret may also come from the file that `<NAME>_FILE` names. */
export const VARIABLES = {
  NODE_ENV: {
    kind: 'choice',
    values: ['development', 'production', 'test'],
    default: 'development',
    text: '`production` refuses to start without keys and never starts servers of its own',
  },
  WORKER_MODE: {
    kind: 'boolean',
    default: false,
    text: '`true` starts the StandaloneWorker, anything else the publisher API',
  },
  LOG_LEVEL: {
    kind: 'choice',
    values: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    default: 'info',
    text: 'least level that is logged',
  },

  HOST: { kind: 'text', default: null, text: 'address to listen on; default 0.0.0.0 with keys, 127.0.0.1 without' },
  PORT: integer(0, 65_535, 3002, 'port of the publisher API; 0 takes a free one'),
  HEALTH_PORT: integer(0, 65_535, 3003, "port of a worker's health, metrics and board; 0 takes a free one"),

  MONGO_URI: {
    kind: 'text',
    default: null,
    secret: true,
    pattern: /^mongodb(\+srv)?:\/\//,
    hint: 'must start with mongodb:// or mongodb+srv://',
    text: 'the ledger; a replica set. The database of the URI, else `ledgermq`',
  },
  MONGO_DEADLINE_MS: integer(100, 60_000, 5_000, 'longest wait for one call to MongoDB', 'ms'),

  QUEUE_REDIS_HOST: { kind: 'text', default: '127.0.0.1', text: 'host of Redis' },
  QUEUE_REDIS_PORT: integer(1, 65_535, 6379, 'port of Redis'),
  QUEUE_REDIS_DB: integer(0, 1_000, 0, 'database number of Redis'),
  QUEUE_REDIS_USERNAME: { kind: 'text', default: null, text: 'user name for Redis' },
  QUEUE_REDIS_PASSWORD: { kind: 'text', default: null, secret: true, text: 'password for Redis' },
  QUEUE_REDIS_TLS: { kind: 'boolean', default: false, text: 'TLS to Redis' },
  QUEUE_PREFIX: {
    kind: 'text',
    default: '{ledger}',
    pattern: /^[A-Za-z0-9_{}-]{1,64}$/,
    hint: 'letters, digits, _ - { } only',
    text: 'prefix of every key in Redis; the braces make Redis Cluster work',
  },

  QUEUE_NAME: {
    kind: 'text',
    default: 'app-queue',
    pattern: NAME,
    hint: 'letters, digits, _ and - only',
    text: 'BullMQ queue of the lane `default`; another lane is `<QUEUE_NAME>-<lane>`',
  },
  QUEUES: {
    kind: 'text',
    default: '',
    text: 'lanes beside those that job types name, comma separated; also what a worker serves is all of them',
  },
  BATCH_SIZE_JOBS: integer(1, 1_000, 50, 'most jobs that one claim moves from MongoDB to BullMQ'),
  WORKER_SIZE_JOBS: integer(1, 500, 10, 'slots: jobs that one worker process runs at once'),
  WORKER_PROCESSING_INTERVAL: integer(50, HOUR_MS, 5_000, 'backstop of the loader when no wake-up came', 'ms'),

  LEASE_MS: integer(500, HOUR_MS, 7_500, 'a run whose beat is older than this may have lost its worker', 'ms'),
  BEAT_MS: integer(
    100,
    HOUR_MS,
    2_500,
    'how often a worker renews the leases of its runs; at most a third of LEASE_MS',
    'ms',
  ),
  GRACE_MS: integer(100, HOUR_MS, 3_000, 'how long a suspect run is watched before it is taken back', 'ms'),
  SWEEP_MS: integer(50, HOUR_MS, 2_000, 'how often a sweeper looks', 'ms'),
  QUEUED_LEASE_MS: integer(
    500,
    HOUR_MS,
    10_000,
    'a claimed job that has not started within this is looked after',
    'ms',
  ),
  DRAIN_DEADLINE_MS: integer(100, HOUR_MS, 25_000, 'how long running jobs may go on after SIGTERM', 'ms'),
  WATCHDOG_MS: integer(
    1_000,
    HOUR_MS,
    60_000,
    'a worker with work, free slots and no start for this long rebuilds its consumer, then exits',
    'ms',
  ),
  VERIFY_INTERVAL_MS: integer(
    0,
    300_000,
    30_000,
    'the background check of the ledger looks at 1,000 jobs so often, in one process of the fleet; 0: never in this process',
    'ms',
  ),
  VERIFY_ROUND_MS: integer(100, 7 * DAY_MS, 600_000, 'rest after the background check has seen the whole ledger', 'ms'),

  TASK_DEFAULT_MAX_RETRIES: integer(
    0,
    100,
    3,
    'retries of a job whose type and caller say nothing; n means n + 1 attempts',
  ),
  TASK_DEFAULT_RETRY_DELAY: integer(0, 7 * DAY_MS, 1_000, 'base delay before a retry', 'ms'),
  TASK_DEFAULT_RETRY_STRATEGY: {
    kind: 'choice',
    values: RETRY_STRATEGIES,
    default: 'exponential',
    text: 'how the delay grows',
  },
  TASK_DEFAULT_TIMEOUT: integer(10, 7 * DAY_MS, 300_000, 'longest run of a handler', 'ms'),
  POISON_CRASHES: integer(
    3,
    20,
    3,
    'crashes after which a job is `failed` with `poison`; from the second on it runs in a child of its own',
  ),
  CHILD_HEAP_MB: integer(16, 65_536, 256, 'heap of such a child', 'MB'),

  RETENTION_COMPLETED_MS: integer(
    DAY_MS + 1,
    3_650 * DAY_MS,
    30 * DAY_MS,
    'completed and cancelled jobs are kept this long',
    'ms',
  ),
  RETENTION_FAILED_MS: integer(DAY_MS + 1, 3_650 * DAY_MS, 90 * DAY_MS, 'failed jobs are kept this long', 'ms'),

  API_KEYS: { kind: 'text', default: null, secret: true, text: 'JSON array of `{name, key | sha256, tenant, scopes}`' },
  BOARD_USER: { kind: 'text', default: null, text: 'user of Bull Board beside the keys' },
  BOARD_PASSWORD: { kind: 'text', default: null, secret: true, text: 'password of that user' },
  METRICS_AUTH: {
    kind: 'text',
    default: null,
    pattern: /^(true|false)$/,
    hint: 'true or false',
    text: 'whether metrics need a key; default true in production',
  },
  RATE_LIMIT_PER_SECOND: integer(0, 1_000_000, 100, 'requests a second and key (burst twice that); 0 is off'),

  FILES_DIR: {
    kind: 'text',
    default: './.data/files',
    text: 'folder of `file:process` and `data:export`, one folder a tenant inside',
  },
  EXPORT_COLLECTIONS: {
    kind: 'text',
    default: '',
    text: 'collections that `data:export` may read, comma separated; never `jobs`',
  },
  SMTP_URL: {
    kind: 'text',
    default: null,
    secret: true,
    pattern: /^smtps?:\/\//,
    hint: 'must start with smtp:// or smtps://',
    text: 'mail server of `email:send`; wins over SMTP_HOST',
  },
  SMTP_HOST: { kind: 'text', default: null, text: 'host of the mail server' },
  SMTP_PORT: integer(1, 65_535, 587, 'port of the mail server'),
  SMTP_USER: { kind: 'text', default: null, text: 'user of the mail server' },
  SMTP_PASSWORD: { kind: 'text', default: null, secret: true, text: 'password of that user' },
  SMTP_SECURE: { kind: 'boolean', default: false, text: 'TLS from the first byte' },
  SMTP_FROM: { kind: 'text', default: 'LedgerMQ <no-reply@localhost>', text: 'sender of mails' },
  WEBHOOK_ALLOW_HOSTS: {
    kind: 'text',
    default: '',
    text: 'host[:port] names, comma separated, that outgoing requests may reach though their address is private (development)',
  },

  LEDGERMQ_MONGO: {
    kind: 'choice',
    values: ['auto', 'mongod', 'download', 'embedded'],
    default: 'auto',
    text: 'demo and tests: which MongoDB to start when MONGO_URI is not set',
  },
  MONGOD_BINARY: { kind: 'text', default: null, text: 'demo and tests: path of a `mongod`' },
  LEDGERMQ_CHILD: {
    kind: 'boolean',
    default: false,
    text: 'set by a worker for the child process of an isolated run; never by hand',
  },
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof VARIABLES;

/** Other names that users already know. The main name wins; two that disagree are an error. `scale` turns the alias's unit into ours. */
export const ALIASES: Readonly<Record<string, { name: VariableName; scale?: number }>> = {
  WORKER_CONCURRENCY: { name: 'WORKER_SIZE_JOBS' },
  QUEUE_POLL_INTERVAL: { name: 'WORKER_PROCESSING_INTERVAL', scale: 1_000 },
  JOB_TIMEOUT: { name: 'TASK_DEFAULT_TIMEOUT', scale: 1_000 },
};
