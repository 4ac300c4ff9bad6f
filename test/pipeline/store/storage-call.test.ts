import { mongo } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { storageCall } from '../../../src/pipeline/store/storage-call.ts';
import { StorageUnavailableError } from '../../../src/platform/errors.ts';

/** What a caller gets when its call fails with this error. */
const failed = (error: Error) =>
  storageCall({ bounded: work => work }, 'submit', () => Promise.reject(error)).catch((caught: unknown) => caught);
const inBulk = (error: object) => new mongo.MongoBulkWriteError(error as Error, {} as mongo.BulkWriteResult);

describe('a call that MongoDB did not answer is told as such', () => {
  it.each([
    ['an error of the socket, as the driver lets it through', Object.assign(new Error('ended'), { code: 'EPIPE' })],
    ['what the driver makes of it at a commit', new TypeError('commitError.hasErrorLabel is not a function')],
    ['a refused connection', new mongo.MongoNetworkError('connect ECONNREFUSED')],
    ['the same, in what the driver makes of it in a bulk', inBulk(new mongo.MongoNetworkError('connect ECONNREFUSED'))],
    ['no primary, in a bulk', inBulk(Object.assign(new Error('timed out'), { code: '' }))],
    ['a primary that stepped down, in a bulk', inBulk({ message: 'not primary', code: 10107 })],
  ])('%s', async (_, error) => {
    expect(await failed(error)).toBeInstanceOf(StorageUnavailableError);
  });

  it.each([
    ['a fault of our own', new TypeError('no such thing')],
    ['what a server answered to a bulk', inBulk({ message: 'duplicate', code: 11000 })],
  ])('but not %s', async (_, error) => {
    expect(await failed(error)).toBe(error);
  });
});
