import type { Plain } from './value.ts';

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
