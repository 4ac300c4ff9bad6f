import { asNumber, Doc } from '../documents/value.ts';
import type { Context } from './context.ts';

/** Errors after which a write may be sent again. */
const RETRYABLE = new Set([6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);
/** Errors after which a whole transaction may be tried again. */
const TRANSIENT = new Set([24, 112, 244, 246, 251, 267]);
/** Errors after which a change stream may be opened again where it was. */
const RESUMABLE = new Set([...RETRYABLE, 43, 63, 133, 150, 234, 13388]);

/** The labels of a reply: the driver retries by them, not by codes. */
export function labelsFor(reply: Doc, { args, name, streams }: Context): string[] {
  const concernError = reply.get('writeConcernError');
  const failed = reply.has('code');
  const code = asNumber((concernError instanceof Doc && !failed ? concernError : reply).get('code')) ?? 0;
  const ends = name === 'commitTransaction' || name === 'abortTransaction';
  const inside = args.get('autocommit') === false && !ends;
  const transient = TRANSIENT.has(code) || (inside && RETRYABLE.has(code));
  const labels = {
    TransientTransactionError: failed && transient && (inside || name === 'commitTransaction'),
    RetryableWriteError: RETRYABLE.has(code) && !inside && (ends || args.get('txnNumber') !== undefined),
    ResumableChangeStreamError: streams && RESUMABLE.has(code),
    NonResumableChangeStreamError: streams && (code === 280 || code === 286),
  };
  return Object.entries(labels).flatMap(([label, applies]) => (applies ? label : []));
}

/** After these the driver looks for a primary anew; the reply must carry topologyVersion or it drops its whole pool. */
export const STATE_CHANGE_CODES = new Set([91, 189, 10107, 11600, 11602, 13435, 13436]);
