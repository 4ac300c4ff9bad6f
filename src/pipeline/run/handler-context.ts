import type { JobContext, JobServices } from '../../jobs/job-context.ts';
import type { JobDocument, JobLogLine } from '../store/job-document.ts';
import { toStorable } from './storable.ts';

const LOG_LINE_BYTES = 2_048;
/** Between two writes; a handler that logs more loses the oldest of these. */
const LOG_LINES_BUFFERED = 100;
const PROGRESS_BYTES = 4_096;

/** Where progress and log lines of a run go. */
export interface NoteSink {
  progress(value: unknown): void;
  log(message: string): void;
}

/** What one run's handler gets as `ctx`. */
export function createHandlerContext(options: {
  job: Pick<JobDocument, '_id' | 'type' | 'tenant'>;
  attempt: number;
  maxRetries: number;
  runKey: { toHexString(): string };
  signal: AbortSignal;
  services: JobServices;
  notes: NoteSink;
}): JobContext {
  const { job, notes } = options;
  return Object.freeze({
    jobId: job._id.toHexString(),
    type: job.type,
    tenant: job.tenant,
    attempt: options.attempt,
    maxRetries: options.maxRetries,
    runKey: options.runKey.toHexString(),
    signal: options.signal,
    services: options.services,
    log: (message: string) => notes.log(String(message).slice(0, LOG_LINE_BYTES)),
    progress: (value: number | Record<string, unknown>) => {
      const storable = toStorable(value);
      if (!storable.ok || storable.value === undefined) return;
      if (JSON.stringify(storable.value).length <= PROGRESS_BYTES) notes.progress(storable.value);
    },
  });
}

/** Collects in memory; the heartbeat carries it to the ledger. */
export function bufferNotes(
  notes: { progress: unknown; logs: JobLogLine[] },
  attempt: number,
  now: () => Date,
): NoteSink {
  return {
    progress(value) {
      notes.progress = value;
    },
    log(message) {
      notes.logs.push({ at: now(), attempt, message });
      if (notes.logs.length > LOG_LINES_BUFFERED) notes.logs.shift();
    },
  };
}
