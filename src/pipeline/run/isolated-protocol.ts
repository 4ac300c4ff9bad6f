import type { mongo } from 'mongoose';
import { fromBson, toBson } from '../store/bson.ts';
import type { AbortReason } from './abort-reason.ts';
import type { HandlerError } from './handler-error.ts';

/** One job for the child, as BSON: what the ledger holds arrives as it is. */
export interface IsolatedJob {
  _id: mongo.ObjectId;
  type: string;
  tenant: string;
  payload: unknown;
  attempt: number;
  maxRetries: number;
  runKey: mongo.ObjectId;
}

export type ToChild = { kind: 'job'; bson: Uint8Array } | { kind: 'abort'; reason: AbortReason };

export type FromChild =
  | { kind: 'ready' }
  | { kind: 'progress'; json: string }
  | { kind: 'log'; message: string }
  | { kind: 'returned'; json: string | null }
  | { kind: 'not-storable'; reason: string }
  | { kind: 'threw'; error: HandlerError };

export function encodeJob(job: IsolatedJob): Uint8Array {
  return toBson(job);
}

export function decodeJob(bson: Uint8Array): IsolatedJob {
  return fromBson(bson) as IsolatedJob;
}
