import { mongo } from 'mongoose';
import { StorageUnavailableError } from '../../platform/errors.ts';
import type { StoreContext } from './store-context.ts';

/**
 * One call on behalf of a waiting caller: all of its commands together take at most the deadline.
 * @throws StorageUnavailableError when MongoDB is away, is changing its primary, or was too slow; a write may have happened.
 */
export async function storageCall<T>(
  context: Pick<StoreContext, 'bounded'>,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await context.bounded(work(), what);
  } catch (error) {
    if (isUnavailable(error)) throw new StorageUnavailableError(what, { cause: error });
    throw error;
  }
}

/** Not primary, node is recovering or shutting down, network, time limits, write concern not reached. */
const UNAVAILABLE_CODES = new Set([
  6, 7, 50, 64, 89, 91, 112, 134, 189, 262, 317, 9001, 10058, 10107, 11600, 11602, 13435, 13436,
]);

function isUnavailable(error: unknown): boolean {
  if (error instanceof mongo.MongoNetworkError || error instanceof mongo.MongoServerSelectionError) return true;
  if (error instanceof mongo.MongoNotConnectedError || error instanceof mongo.MongoTopologyClosedError) return true;
  if (error instanceof mongo.MongoWriteConcernError) return true;
  if (isSocketError(error) || isBrokenCommit(error)) return true;
  if (!(error instanceof mongo.MongoError)) return false;
  // The driver wraps what went wrong on the way, such as a refused connection, as if the bulk had failed on the server; only
  // what a server answers has a number.
  if (error instanceof mongo.MongoBulkWriteError && typeof error.code !== 'number') return true;
  return (
    UNAVAILABLE_CODES.has(Number(error.code)) ||
    error.hasErrorLabel('RetryableWriteError') ||
    error.hasErrorLabel('TransientTransactionError')
  );
}

/** The driver lets an error of its socket through as it is when the server has just closed the other end. */
function isSocketError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
}

/** Driver 7.8: `withTransaction` asks whatever its commit threw for labels, and such an error of the socket has none. */
function isBrokenCommit(error: unknown): boolean {
  return error instanceof TypeError && error.message.includes('hasErrorLabel is not a function');
}

/** The name of the unique key that a write met, or null when the error is another one. */
export function duplicateKeyOf(error: unknown): '_id' | 'idempotency' | null {
  if (!(error instanceof mongo.MongoServerError) || Number(error.code) !== 11000) return null;
  const pattern: unknown = error.keyPattern ?? error.writeErrors?.[0]?.err?.keyPattern;
  if (typeof pattern === 'object' && pattern !== null) return '_id' in pattern ? '_id' : 'idempotency';
  return /index: _id_/.test(error.message) ? '_id' : 'idempotency';
}

/** Whether the server refused what the write would make of this document: repeating it cannot help, leaving it out does. */
export function isDocumentFault(error: unknown): boolean {
  if (!(error instanceof mongo.MongoServerError)) return false;
  if (error.hasErrorLabel('RetryableWriteError') || error.hasErrorLabel('TransientTransactionError')) return false;
  return DOCUMENT_FAULT_CODES.has(Number(error.code));
}

/** BadValue, TypeMismatch, PathNotViable, ConflictingUpdateOperators, DollarPrefixedFieldName, EmptyFieldName, DocumentValidationFailure, BSONObjectTooLarge, and the older number of the last. */
const DOCUMENT_FAULT_CODES = new Set([2, 14, 28, 40, 52, 56, 121, 10334, 17419]);
