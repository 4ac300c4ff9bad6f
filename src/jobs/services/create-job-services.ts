import type { Redis } from 'ioredis';
import type { mongo } from 'mongoose';
import { createTransport, type Transporter } from 'nodemailer';
import type { Config } from '../../config/config.ts';
import type { JobServices } from '../job-context.ts';
import { TaskError } from '../task-error.ts';
import { TenantFiles } from './tenant-files.ts';

export interface JobServicesOptions {
  config: Pick<Config, 'smtp' | 'files' | 'outgoing'>;
  db: () => mongo.Db;
  /** Opens the connection of the handlers; called once, on first use, and closed with the services. */
  redis: () => Redis;
}

/**
 * What handlers use. A member is made when a handler asks for it first and kept for the process; `close()` ends what was
 * made: mail connections and the Redis connection, not the database.
 */
export function createJobServices(options: JobServicesOptions): { services: JobServices; close: () => Promise<void> } {
  const { config } = options;
  const mailer = lazy(() => ({ transport: openTransport(config.smtp), from: config.smtp.from }));
  const redis = lazy(options.redis);
  const files = new TenantFiles(config.files.dir);
  const services: JobServices = {
    get db() {
      return options.db();
    },
    get redis() {
      return redis.get();
    },
    get mailer() {
      return mailer.get();
    },
    files,
    outgoing: { allowHosts: config.outgoing.allowHosts },
    exportCollections: config.files.exportCollections,
  };
  return {
    services,
    close: async () => {
      mailer.made()?.transport.close();
      redis.made()?.disconnect();
    },
  };
}

function lazy<T>(make: () => T): { get(): T; made(): T | undefined } {
  let value: { of: T } | undefined;
  return {
    get: () => {
      value ??= { of: make() };
      return value.of;
    },
    made: () => value?.of,
  };
}

/** Times of a mail server that hangs: shorter than any job's timeout. */
const TIMEOUTS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000, dnsTimeout: 10_000 };

/** @throws TaskError (no retry) when no mail server is configured: waiting does not help, a redrive after the setting does. */
function openTransport(smtp: Config['smtp']): Transporter {
  // A lost connection is an attempt that failed: whether to try again is the ledger's decision, not the pool's.
  const pool = { pool: true, maxConnections: 5, maxRequeues: 0, ...TIMEOUTS } as const;
  if (smtp.url !== null) return createTransport({ ...pool, url: smtp.url });
  if (smtp.host === null) {
    throw new TaskError('no mail server is configured: set SMTP_URL or SMTP_HOST', { retry: false });
  }
  const auth = smtp.user === null ? {} : { auth: { user: smtp.user, pass: smtp.password ?? '' } };
  return createTransport({ ...pool, host: smtp.host, port: smtp.port, secure: smtp.secure, ...auth });
}
