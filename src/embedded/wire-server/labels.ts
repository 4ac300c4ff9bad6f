import type { Context } from './context.ts';
import { CommandError } from './errors.ts';
import { asNumber, Doc, type Value } from './value.ts';

/** Errors after which a write may be sent again. */
const RETRYABLE = new Set([6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);
/** Errors after which a whole transaction may be tried again. */
const TRANSIENT = new Set([24, 112, 244, 246, 251, 267]);
/** Errors after which a change stream may be opened again where it was. */
const RESUMABLE = new Set([...RETRYABLE, 43, 63, 133, 150, 234, 13388]);

/** The driver retries by label, not by code. A fail point's labels replace the server's own. */
export function addLabels(reply: Doc, { args, name }: Context, forced: string[] | undefined): void {
  const concernError = reply.get('writeConcernError');
  const failed = reply.has('code');
  const code = asNumber(
    failed ? reply.get('code') : concernError instanceof Doc ? concernError.get('code') : undefined,
  );
  if (code === undefined) return;
  const ends = name === 'commitTransaction' || name === 'abortTransaction';
  const inside = args.get('autocommit') === false && !ends;
  const transient = TRANSIENT.has(code) || (inside && RETRYABLE.has(code));
  const known = reply.get('errorLabels');
  const labels = new Set<Value>(forced ?? (Array.isArray(known) ? known : []));
  if (!forced && failed && transient && (inside || name === 'commitTransaction'))
    labels.add('TransientTransactionError');
  if (!forced && RETRYABLE.has(code) && !inside && (ends || args.get('txnNumber') !== undefined))
    labels.add('RetryableWriteError');
  if (labels.size) reply.set('errorLabels', [...labels]);
}

/** What a change stream's error tells the driver: open it again where it was, or give up. */
export function labelStreamError(error: unknown): void {
  if (!(error instanceof CommandError)) return;
  if (RESUMABLE.has(error.code)) error.labels.push('ResumableChangeStreamError');
  if (error.code === 280 || error.code === 286) error.labels.push('NonResumableChangeStreamError');
}
