import type { Context } from './context.ts';
import { asNumber, Doc, type Plain } from './value.ts';

/** The error codes this server answers with, under the names MongoDB gives them. */
const CODE_NAMES = new Map<number, string>(
  `
    1 InternalError, 2 BadValue, 4 NoSuchKey, 6 HostUnreachable, 7 HostNotFound, 9 FailedToParse, 13 Unauthorized,
    14 TypeMismatch, 15 Overflow, 16 InvalidLength, 17 ProtocolError, 20 IllegalOperation, 22 InvalidBSON, 24 LockTimeout,
    26 NamespaceNotFound, 27 IndexNotFound, 28 PathNotViable, 40 ConflictingUpdateOperators, 43 CursorNotFound,
    48 NamespaceExists, 50 MaxTimeMSExpired, 52 DollarPrefixedFieldName, 53 InvalidIdField, 54 NotSingleValueField,
    56 EmptyFieldName, 59 CommandNotFound, 64 WriteConcernFailed, 66 ImmutableField, 67 CannotCreateIndex,
    72 InvalidOptions, 73 InvalidNamespace, 79 UnknownReplWriteConcern, 85 IndexOptionsConflict,
    86 IndexKeySpecsConflict, 89 NetworkTimeout, 91 ShutdownInProgress, 100 UnsatisfiableWriteConcern, 112 WriteConflict,
    115 CommandNotSupported, 117 ConflictingOperationInProgress, 121 DocumentValidationFailure,
    168 InvalidPipelineOperator, 171 CannotIndexParallelArrays, 189 PrimarySteppedDown,
    197 InvalidIndexSpecificationOption, 225 TransactionTooOld, 237 CursorInUse, 244 TransactionAborted,
    246 SnapshotUnavailable, 251 NoSuchTransaction, 256 TransactionCommitted, 260 InvalidResumeToken,
    262 ExceededTimeLimit, 263 OperationNotSupportedInTransaction, 267 PreparedTransactionInProgress,
    280 ChangeStreamFatalError, 286 ChangeStreamHistoryLost, 291 NoQueryExecutionPlans, 322 APIVersionError,
    9001 SocketException, 10107 NotWritablePrimary, 10334 BSONObjectTooLarge, 11000 DuplicateKey,
    11600 InterruptedAtShutdown, 11601 Interrupted, 11602 InterruptedDueToReplStateChange,
    13435 NotPrimaryNoSecondaryOk, 13436 NotPrimaryOrSecondary
  `
    .split(',')
    .map(entry => entry.trim().split(' ') as [string, string])
    .map(([code, name]) => [Number(code), name]),
);

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

export const codeName = (code: number): string => CODE_NAMES.get(code) ?? `Location${code}`;

/** An error the client sees: {ok: 0, code, codeName, errmsg} plus whatever `extra` adds. */
export class CommandError extends Error {
  readonly code: number;
  readonly extra: Record<string, Plain>;

  constructor(code: number, message: string, extra: Record<string, Plain> = {}) {
    super(message);
    this.code = code;
    this.extra = extra;
  }
}

export function fail(code: number, message: string, extra: Record<string, Plain> = {}): never {
  throw new CommandError(code, message, extra);
}

export function unsupported(what: string): never {
  throw new CommandError(115, `${what} is not supported by this server`);
}

/** Thrown where a fail point wants the connection closed in the middle of a command. */
export class CloseConnection extends Error {}
