import type { Redis } from 'ioredis';
import type { mongo } from 'mongoose';
import type { Transporter } from 'nodemailer';

/** What handlers may use. Every member is made once for the process, on first use, by the composition root. */
export interface JobServices {
  /** Database of the ledger. Handlers keep out of LedgerMQ's own collections. */
  readonly db: mongo.Db;
  /** A connection for handlers' own commands; LedgerMQ's queues use others. */
  readonly redis: Redis;
  readonly mailer: { transport: Transporter; from: string };
  /** The tenant's own folder inside FILES_DIR. */
  readonly files: { tenantDir(tenant: string): Promise<string> };
  /** Outgoing HTTP: http(s) only, private and loopback addresses refused at connect time but for `allowHosts`. */
  readonly outgoing: { allowHosts: readonly string[] };
  /** Collections that an export may read. */
  readonly exportCollections: readonly string[];
}

/** What a handler knows about the run it is in. */
export interface JobContext {
  readonly jobId: string;
  readonly type: string;
  readonly tenant: string;
  /** 1 for the first attempt; a deploy or a crash never costs one. */
  readonly attempt: number;
  readonly maxRetries: number;
  /** Names this run: unique to it, fences every write of its outcome. */
  readonly runKey: string;
  /** Aborts on timeout, cancel, a lost lease, or the drain deadline; `signal.reason` says which. */
  readonly signal: AbortSignal;
  readonly services: JobServices;
  /** Adds a line to the job's log in the ledger (the last 100 are kept, 2 KB each). */
  log(message: string): void;
  /** 0–100, or any small JSON value; the latest one wins. */
  progress(value: number | Record<string, unknown>): void;
}
