import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Call, problemSlug } from '../http/http-client.ts';
import { KEYS, type TestPublisher, usePublisher } from './test-publisher.ts';

let api: TestPublisher;

beforeAll(async () => {
  api = await usePublisher();
});

const JSON_TYPE = { 'content-type': 'application/json' };
const ID = 'ffffffffffffffffffffffff';
const body = (over: object) => ({ json: { type: 'test:echo', payload: {}, ...over } });
const payload = (value: unknown) => body({ payload: value });
const raw = (text: string | Buffer, headers: Record<string, string> = JSON_TYPE): Call => ({ raw: text, headers });
const deep = (levels: number) =>
  raw(`{"type":"test:echo","payload":${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels)}`);
const manyKeys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]));

interface Case {
  name: string;
  /** `POST /v1/jobs` when left out. */
  at?: string;
  call: Call;
  status: number;
  slug: string;
  pointers?: string[];
}

const invalid = (name: string, call: Call, ...pointers: string[]): Case => ({
  name,
  call,
  status: 400,
  slug: 'validation-error',
  pointers,
});
const refused = (name: string, call: Call, status: number, slug: string, at?: string): Case => ({
  name,
  call,
  status,
  slug,
  ...(at === undefined ? {} : { at }),
});

const CASES: Case[] = [
  refused('truncated JSON', raw('{"type":'), 400, 'malformed-json'),
  refused('an empty body', raw(''), 400, 'malformed-json'),
  refused('a trailing comma', raw('{"type":"test:echo",}'), 400, 'malformed-json'),
  refused('NaN', raw('{"type":"test:echo","payload":{"a":NaN}}'), 400, 'malformed-json'),
  refused('broken UTF-8', raw(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 400, 'malformed-json'),
  refused('UTF-16', raw('{}', { 'content-type': 'application/json; charset=utf-16' }), 415, 'unsupported-media-type'),
  refused('no content type', raw('{}', {}), 415, 'unsupported-media-type'),
  refused('plain text', raw('{}', { 'content-type': 'text/plain' }), 415, 'unsupported-media-type'),
  refused('a form', raw('a=1', { 'content-type': 'application/x-www-form-urlencoded' }), 415, 'unsupported-media-type'),
  refused('gzip', raw('{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }), 415, 'unsupported-content-encoding'),
  refused('33 levels', deep(33), 400, 'payload-too-deep'),
  refused('50,000 levels', deep(50_000), 400, 'payload-too-deep'),
  refused('10,001 properties', payload(manyKeys(10_001)), 400, 'payload-too-complex'),
  refused('a body over 1 MiB', payload({ text: 'x'.repeat(1_048_576) }), 413, 'payload-too-large'),
  refused('__proto__', raw('{"type":"test:echo","payload":{"__proto__":{"a":1}}}'), 400, 'malformed-json'),
  refused('__proto__ on top', raw('{"__proto__":{},"type":"test:echo","payload":{}}'), 400, 'malformed-json'),
  refused('constructor.prototype', payload({ constructor: { prototype: {} } }), 400, 'malformed-json'),
  refused('a property constructor', payload({ a: [{ constructor: 1 }] }), 400, 'forbidden-key'),
  refused('an operator', payload({ a: { $gt: 1 } }), 400, 'forbidden-key'),
  refused('a dotted property', payload({ 'a.b': 1 }), 400, 'forbidden-key'),
  refused('NUL in a property', payload({ 'a\0b': 1 }), 400, 'forbidden-key'),
  refused('an operator in metadata', body({ metadata: { $where: 1 } }), 400, 'forbidden-key'),
  invalid('a number too large', raw('{"type":"test:echo","payload":{"a":1e999}}'), '/payload/a'),
  invalid('an array', raw('[]'), ''),
  invalid('null', raw('null'), ''),
  invalid('a string', raw('"x"'), ''),
  invalid('no type', { json: { payload: {} } }, '/type'),
  invalid('an empty type', body({ type: '' }), '/type'),
  invalid('a type like a path', body({ type: '../../x' }), '/type'),
  invalid('a type of 10 kB', body({ type: 'a'.repeat(10_000) }), '/type'),
  invalid('no payload', { json: { type: 'test:echo' } }, '/payload'),
  invalid('a payload that is no object', payload('x'), '/payload'),
  invalid(
    'a payload that does not fit',
    body({ type: 'test:strict', payload: { to: [1], x: 1 } }),
    '/payload/to/0',
    '/payload/x',
  ),
  invalid(
    'properties of the document',
    body({ status: 'completed', token: 'x', _id: ID }),
    '/status',
    '/token',
    '/_id',
  ),
  invalid('a property with a slash', body({ 'a/b~c': 1 }), '/a~1b~0c'),
  invalid('an operator on top', body({ $where: 1 }), '/$where'),
  invalid('a webhook, which is not there yet', body({ webhook: { url: 'https://example.com' } }), '/webhook'),
  invalid('a wish to wait, which is not there yet', { ...body({}), headers: { prefer: 'respond-async, wait=10' } }, ''),
  invalid('priority as text', body({ priority: '5' }), '/priority'),
  invalid('priority 11', body({ priority: 11 }), '/priority'),
  invalid('priority 1.5', body({ priority: 1.5 }), '/priority'),
  invalid('priority -1', body({ priority: -1 }), '/priority'),
  invalid('maxRetries 101', body({ maxRetries: 101 }), '/maxRetries'),
  invalid('an unknown strategy', body({ retry: { strategy: 'hope' } }), '/retry/strategy'),
  invalid('jitter 2', body({ retry: { jitter: 2 } }), '/retry/jitter'),
  invalid('runAt without a zone', body({ runAt: '2030-01-01T00:00:00' }), '/runAt'),
  invalid('runAt on 31 February', body({ runAt: '2030-02-31T00:00:00Z' }), '/runAt'),
  invalid('runAt and delayMs', body({ runAt: '2030-01-01T00:00:00Z', delayMs: 5 }), '/delayMs'),
  invalid('an endless delay', body({ delayMs: 1e308 }), '/delayMs', '/delayMs'),
  invalid('timeoutMs 0', body({ timeoutMs: 0 }), '/timeoutMs'),
  invalid('timeoutMs of 30 days', body({ timeoutMs: 30 * 86_400_000 }), '/timeoutMs'),
  invalid('17 tags', body({ tags: Array.from({ length: 17 }, () => 'x') }), '/tags'),
  invalid('a tag with a line break', body({ tags: ['ok', 'a\nb'] }), '/tags/1'),
  invalid('a tag of 65 characters', body({ tags: ['x'.repeat(65)] }), '/tags/0'),
  { ...invalid('an unknown query parameter', body({}), '/wait'), at: 'POST /v1/jobs?wait=1' },
  refused('an unknown type', body({ type: 'no:such' }), 422, 'unknown-job-type'),
  refused('the name of an inherited property as type', body({ type: 'constructor' }), 422, 'unknown-job-type'),
  refused('an unknown lane', body({ queue: 'nowhere' }), 422, 'unknown-queue'),
  refused('the year 9999', body({ runAt: '9999-01-01T00:00:00Z' }), 422, 'run-at-out-of-range'),
  refused('the year 1970', body({ runAt: '1970-01-01T00:00:00Z' }), 422, 'run-at-out-of-range'),
  refused(
    'a path that leads outside, before the shape of its payload',
    body({ type: 'test:strict', payload: { path: '../x', to: 'wrong' } }),
    422,
    'forbidden-path',
  ),
  refused('a broken escape', {}, 400, 'bad-url', 'GET /v1/jobs/%zz'),
  refused('an unknown path', {}, 404, 'not-found', 'GET /v1/nothing'),
  refused('an unknown job', {}, 404, 'not-found', `GET /v1/jobs/${ID}`),
  { ...invalid('an id of 12 characters', {}, '/id'), at: 'GET /v1/jobs/aaaaaaaaaaaa' },
  { ...invalid('an operator as id', {}, '/id'), at: 'GET /v1/jobs/%7B%22%24gt%22%3A%22%22%7D' },
  { ...invalid('an id of 200 characters', {}, '/id'), at: `GET /v1/jobs/${'a'.repeat(200)}` },
  { ...invalid('a repeated parameter', {}, '/force'), at: `DELETE /v1/jobs/${ID}?force=true&force=false` },
  { ...invalid('a body where none belongs', { json: { a: 1 } }, '/a'), at: `POST /v1/jobs/${ID}/cancel` },
  refused('headers over 16 kB', { headers: { 'x-a': 'a'.repeat(20_000) } }, 431, 'headers-too-large', 'GET /v1/stats'),
];

describe('bad input', () => {
  it.each(CASES)('$name: $status $slug', async ({ at = 'POST /v1/jobs', call, status, slug, pointers }) => {
    const before = await api.jobs.countDocuments({});
    const [method, path] = at.split(' ') as [string, string];
    const answer = await api.call(method, path, { key: KEYS.a, ...call });
    expect([answer.status, problemSlug(answer)]).toEqual([status, slug]);
    if (pointers) expect((answer.body.errors as { pointer: string }[]).map(error => error.pointer)).toEqual(pointers);
    expect(answer.text).not.toMatch(/node_modules|Mongo|\.ts:|ECONN/);
    expect(await api.jobs.countDocuments({})).toBe(before);
  });

  it('is not seen where there is none: the limits themselves are accepted', async () => {
    const limits = [
      deep(32),
      payload(manyKeys(10_000)),
      payload({ text: 'x'.repeat(1_048_000) }),
      body({ tags: Array.from({ length: 16 }, () => 'ä'.repeat(64)), priority: 0, maxRetries: 100 }),
      raw('\ufeff{"type":"test:echo","payload":{}}', { 'content-type': 'application/json; charset="UTF-8"' }),
    ];
    const answers = await Promise.all(limits.map(call => api.call('POST', '/v1/jobs', { key: KEYS.a, ...call })));
    expect(answers.map(answer => answer.status)).toEqual([202, 202, 202, 202, 202]);
  });

  it.each([
    ['PATCH', '/v1/jobs', 'POST'],
    ['PUT', `/v1/jobs/${ID}`, 'DELETE, GET, HEAD'],
    ['GET', `/v1/jobs/${ID}/cancel`, 'POST'],
    ['POST', '/health/live', 'GET, HEAD'],
  ])('%s %s is a 405', async (method, path, allow) => {
    const answer = await api.call(method, path, { key: KEYS.a });
    expect([answer.status, problemSlug(answer), answer.headers.allow]).toEqual([405, 'method-not-allowed', allow]);
  });

  it('answers a request that does not arrive whole', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEYS.a}\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{`,
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(text).toContain('application/problem+json');
    expect(text).toContain(':request-timeout"');
  });

  it('replaces a request id that is not plain', async () => {
    const plain = await api.call('GET', '/health/live', { headers: { 'x-request-id': 'abc-1.2_3' } });
    expect(plain.headers['x-request-id']).toBe('abc-1.2_3');
    for (const id of ['a%0d%0ab', 'x'.repeat(65), '{"a":1}']) {
      const answer = await api.call('GET', '/health/live', { headers: { 'x-request-id': id } });
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});
