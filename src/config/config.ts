import type { RetryPolicy } from '../platform/backoff.ts';

export const SCOPES = ['submit', 'read', 'operate', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** One key of the API. The key itself is not kept, only its SHA-256 in hex. */
export interface ApiKey {
  name: string;
  sha256: string;
  tenant: string;
  scopes: readonly Scope[];
}

export interface RedisConfig {
  host: string;
  port: number;
  db: number;
  username: string | null;
  password: string | null;
  tls: boolean;
}

/** Times in milliseconds; DESIGN words: lease, beat, grace, sweep. */
export interface LeaseConfig {
  leaseMs: number;
  beatMs: number;
  graceMs: number;
  sweepMs: number;
  queuedLeaseMs: number;
}

/** What a process needs to know, read once from the environment, frozen. Times in milliseconds. */
export interface Config {
  env: 'development' | 'production' | 'test';
  role: 'publisher' | 'worker';
  logLevel: string;
  http: { host: string; port: number; healthPort: number; rateLimitPerSecond: number; metricsAuth: boolean };
  mongo: { uri: string; deadlineMs: number };
  redis: RedisConfig;
  queue: { name: string; prefix: string; lanes: readonly string[] };
  worker: {
    batchSize: number;
    concurrency: number;
    intervalMs: number;
    drainDeadlineMs: number;
    watchdogMs: number;
    poisonCrashes: number;
    childHeapMb: number;
    isChild: boolean;
  };
  lease: LeaseConfig;
  /** The background check of the ledger; intervalMs 0 = off. */
  verify: { intervalMs: number; roundMs: number };
  jobDefaults: { maxRetries: number; retry: RetryPolicy; timeoutMs: number };
  retention: { completedMs: number; failedMs: number };
  access: { keys: readonly ApiKey[]; board: { user: string; password: string } | null };
  files: { dir: string; exportCollections: readonly string[] };
  smtp: {
    url: string | null;
    host: string | null;
    port: number;
    user: string | null;
    password: string | null;
    secure: boolean;
    from: string;
  };
  outgoing: { allowHosts: readonly string[] };
  embedded: { mongo: 'auto' | 'mongod' | 'download' | 'embedded'; mongodBinary: string | null };
}
