import { Writable } from 'node:stream';
import type { mongo } from 'mongoose';
import { pino } from 'pino';
import { z } from 'zod';
import { createRegistry, defineJob } from '../../src/jobs/define-job.ts';
import type { JobDocument } from '../../src/pipeline/store/job-document.ts';
import { RefusedError } from '../../src/platform/errors.ts';
import { type Publisher, startPublisher } from '../../src/publisher/publisher.ts';
import { type TestEnvironment, testConfig } from '../helpers/config.ts';
import { atEnd, useDatabase, useRedis } from '../helpers/fixtures.ts';
import type { TestDatabase } from '../helpers/mongo.ts';
import { type Answer, type Call, send } from '../http/http-client.ts';

export const KEYS = {
  a: 'key-of-tenant-a-0123456789',
  b: 'key-of-tenant-b-0123456789',
  reader: 'key-of-a-reader-0123456789',
  submitter: 'key-of-a-submitter-0123456789',
  admin: 'key-of-the-admin-0123456789',
};

const API_KEYS = JSON.stringify([
  { name: 'a', key: KEYS.a, tenant: 'tenant-a', scopes: ['submit', 'read', 'operate'] },
  { name: 'b', key: KEYS.b, tenant: 'tenant-b', scopes: ['submit', 'read', 'operate'] },
  { name: 'reader', key: KEYS.reader, tenant: 'tenant-a', scopes: ['read'] },
  { name: 'submitter', key: KEYS.submitter, tenant: 'tenant-a', scopes: ['submit'] },
  { name: 'admin', key: KEYS.admin, tenant: 'ops', scopes: ['admin'] },
]);

const echo = defineJob({
  type: 'test:echo',
  payload: z.looseObject({ text: z.string().optional() }),
  result: z.object({ text: z.string() }),
  run: async ({ text }) => ({ text: text ?? '' }),
});

const strict = defineJob({
  type: 'test:strict',
  queue: 'slow',
  maxRetries: 7,
  retry: { strategy: 'linear', delayMs: 250, jitter: 0.5 },
  timeoutMs: 1_234,
  payload: z.strictObject({ to: z.array(z.string()), path: z.string().optional(), n: z.number().default(1) }),
  refuse: payload => {
    const path = typeof payload === 'object' && payload !== null && 'path' in payload ? payload.path : '';
    if (String(path).startsWith('..')) throw new RefusedError('forbidden-path', 'must stay inside', '/path');
  },
  run: async ({ to }) => to.length,
});

export const registry = createRegistry([echo, strict]);

export interface TestPublisher {
  url: string;
  database: TestDatabase;
  jobs: mongo.Collection<JobDocument>;
  publisher: Publisher<typeof registry>;
  /** Log lines so far, as text. */
  log: string[];
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** Submits as key `a` and answers the id. */
  submit(body?: object, headers?: Record<string, string>): Promise<string>;
}

/** A publisher on a database of its own; stopped at the end of the file. */
export async function usePublisher(
  options: { environment?: TestEnvironment; redisPort?: number; database?: TestDatabase; mongoUri?: string } = {},
): Promise<TestPublisher> {
  const database = options.database ?? (await useDatabase());
  const redisPort = options.redisPort ?? (await useRedis()).port;
  const mongo = { uri: options.mongoUri ?? database.uri };
  const config = testConfig({ mongo, redis: { port: redisPort } }, { API_KEYS, ...options.environment });
  const log: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(chunk.toString('utf8'));
      done();
    },
  });
  const started = await startPublisher({ config, registry, logger: pino({ level: 'debug' }, stream) });
  atEnd(() => started.stop());
  const call: TestPublisher['call'] = (method, path, what) => send(started.url, method, path, what);
  return {
    url: started.url,
    database,
    jobs: database.db.collection<JobDocument>('jobs'),
    publisher: started.publisher,
    log,
    call,
    submit: async (body = {}, headers = {}) => {
      const json = { type: 'test:echo', payload: {}, ...body };
      const answer = await call('POST', '/v1/jobs', { key: KEYS.a, json, headers });
      if (answer.status !== 202) throw new Error(`submit answered ${answer.status}: ${answer.text}`);
      return String(answer.body.id);
    },
  };
}
