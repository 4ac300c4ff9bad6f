import { beforeAll, describe, expect, it } from 'vitest';
import { basic, problemSlug } from '../http/http-client.ts';
import { KEYS, type TestPublisher, usePublisher } from './test-publisher.ts';

let api: TestPublisher;
let jobId: string;

beforeAll(async () => {
  api = await usePublisher({ environment: { BOARD_USER: 'ops', BOARD_PASSWORD: 'board-password' } });
  jobId = await api.submit();
});

const JOB = { type: 'test:echo', payload: {} };

describe('keys', () => {
  it.each([
    ['no header', {}],
    ['an empty bearer', { authorization: 'Bearer ' }],
    ['an unknown key', { authorization: 'Bearer key-of-nobody-0123456789' }],
    ['the start of a key', { authorization: `Bearer ${KEYS.a.slice(0, -1)}` }],
    ['Basic on the API', basic('a', KEYS.a)],
    ['two keys', { authorization: `Bearer ${KEYS.a} ${KEYS.a}` }],
  ] as [string, Record<string, string>][])('%s is a 401', async (_, headers) => {
    for (const [method, path] of [
      ['POST', '/v1/jobs'],
      ['GET', '/v1/stats'],
      ['GET', '/v1/nothing-here'],
    ] as const) {
      const answer = await api.call(method, path, { headers, ...(method === 'POST' ? { json: JOB } : {}) });
      expect([answer.status, problemSlug(answer)]).toEqual([401, 'unauthorized']);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
  });

  it('a wrong key is refused before the body is read', async () => {
    const answer = await api.call('POST', '/v1/jobs', {
      key: 'wrong-key-wrong-key',
      raw: 'no json',
      headers: { 'content-type': 'text/plain' },
    });
    expect(answer.status).toBe(401);
  });

  it.each([
    ['reader', 'POST', '/v1/jobs'],
    ['reader', 'POST', '/v1/jobs/bulk'],
    ['reader', 'DELETE', '/v1/jobs/ffffffffffffffffffffffff'],
    ['reader', 'POST', '/v1/jobs/ffffffffffffffffffffffff/cancel'],
    ['submitter', 'GET', '/v1/jobs/ffffffffffffffffffffffff'],
    ['submitter', 'GET', '/v1/stats'],
    ['submitter', 'GET', '/v1/job-types'],
    ['submitter', 'POST', '/v1/jobs/ffffffffffffffffffffffff/retry'],
  ] as [keyof typeof KEYS, string, string][])('%s may not %s %s', async (key, method, path) => {
    const answer = await api.call(method, path, { key: KEYS[key] });
    expect([answer.status, problemSlug(answer)]).toEqual([403, 'insufficient-scope']);
  });

  it('admin may do everything, and sees the jobs of all tenants', async () => {
    expect((await api.call('GET', `/v1/jobs/${jobId}`, { key: KEYS.admin })).body.tenant).toBe('tenant-a');
    expect((await api.call('POST', '/v1/jobs', { key: KEYS.admin, json: JOB })).body.tenant).toBe('ops');
  });
});

describe('tenants', () => {
  it("another tenant's job looks like none", async () => {
    const unknown = 'ffffffffffffffffffffffff';
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/cancel'],
      ['POST', '/retry'],
    ] as const) {
      const foreign = await api.call(method, `/v1/jobs/${jobId}${path}`, { key: KEYS.b });
      const none = await api.call(method, `/v1/jobs/${unknown}${path}`, { key: KEYS.b });
      expect([foreign.status, problemSlug(foreign)]).toEqual([404, 'not-found']);
      expect({ ...foreign.body, requestId: '' }).toEqual({ ...none.body, requestId: '' });
    }
    expect((await api.call('GET', `/v1/jobs/${jobId}`, { key: KEYS.a })).body.status).toBe('pending');
  });
});

describe('other sites', () => {
  const foreign = { origin: 'https://evil.example' };

  it.each([
    ['PUT', '/ui/api/queues/app-queue/retry/failed', { ...foreign, ...basic('ops', 'board-password') }],
    ['POST', '/v1/jobs', { ...foreign, authorization: `Bearer ${KEYS.a}` }],
    [
      'DELETE',
      '/v1/jobs/ffffffffffffffffffffffff',
      { 'sec-fetch-site': 'cross-site', authorization: `Bearer ${KEYS.a}` },
    ],
    ['POST', '/v1/jobs', { origin: 'null', authorization: `Bearer ${KEYS.a}` }],
  ] as [string, string, Record<string, string>][])('may not %s %s', async (method, path, headers) => {
    const answer = await api.call(method, path, { headers });
    expect([answer.status, problemSlug(answer)]).toEqual([403, 'cross-site-request']);
  });

  it('get no CORS headers, and their preflight no key', async () => {
    const answer = await api.call('OPTIONS', '/v1/jobs', {
      headers: { ...foreign, 'access-control-request-method': 'POST' },
    });
    expect(answer.status).toBe(405);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('the own origin may', async () => {
    const headers = { origin: api.url, host: new URL(api.url).host, authorization: `Bearer ${KEYS.a}` };
    expect((await api.call('POST', '/v1/jobs', { json: JOB, headers })).status).toBe(202);
  });
});

describe('pages', () => {
  it.each(['/ui', '/ui/api/queues', '/ui/static/images/logo.svg', '/docs', '/docs/json'])(
    '%s asks for a key',
    async path => {
      const answer = await api.call('GET', path);
      expect([answer.status, problemSlug(answer)]).toEqual([401, 'unauthorized']);
      expect(answer.headers['www-authenticate']).toMatch(/^Basic/);
      const wrong = await api.call('GET', path, { headers: basic('a', KEYS.b) });
      expect(wrong.status).toBe(401);
    },
  );

  it('the board is for administrators and its own user', async () => {
    expect(problemSlug(await api.call('GET', '/ui/api/queues', { key: KEYS.a }))).toBe('insufficient-scope');
    expect(problemSlug(await api.call('GET', '/ui', { headers: basic('a', KEYS.a) }))).toBe('insufficient-scope');
    expect((await api.call('GET', '/ui', { headers: basic('ops', 'wrong-password') })).status).toBe(401);
    for (const headers of [basic('ops', 'board-password'), basic('admin', KEYS.admin)]) {
      const page = await api.call('GET', '/ui', { headers });
      expect(page.status).toBe(200);
      expect(page.text).toContain('<title>LedgerMQ</title>');
      expect(page.headers['content-security-policy']).toMatch(/script-src 'self'.*frame-ancestors 'none'/);
      expect(page.headers['x-content-type-options']).toBe('nosniff');
    }
  });

  it('the board shows every lane and changes nothing', async () => {
    const headers = basic('admin', KEYS.admin);
    const { queues } = (await api.call('GET', '/ui/api/queues', { headers })).body as { queues: { name: string }[] };
    expect(queues.map(queue => queue.name)).toEqual(['app-queue', 'app-queue-slow']);
    const clean = await api.call('PUT', '/ui/api/queues/app-queue/clean/failed', { headers });
    expect([clean.status, problemSlug(clean)]).toEqual([405, 'method-not-allowed']);
    const unknown = await api.call('GET', '/ui/api/queues/nothing/1', { headers });
    expect([unknown.status, problemSlug(unknown)]).toEqual([404, 'not-found']);
  });

  it('the documentation describes the routes and every job type', async () => {
    expect((await api.call('GET', '/docs', { headers: basic('reader', KEYS.reader) })).status).toBe(200);
    const { body } = await api.call('GET', '/docs/json', { key: KEYS.reader });
    expect(body.openapi).toBe('3.1.0');
    expect(Object.keys(body.paths as object).sort()).toEqual([
      '/health',
      '/health/live',
      '/health/ready',
      '/metrics',
      '/v1/job-types',
      '/v1/jobs',
      '/v1/jobs/bulk',
      '/v1/jobs/{id}',
      '/v1/jobs/{id}/cancel',
      '/v1/jobs/{id}/retry',
      '/v1/stats',
    ]);
    const submit = (body.paths as Record<string, { post: { responses: object } }>)['/v1/jobs']!.post;
    expect(Object.keys(submit.responses)).toEqual(['200', '202', 'default']);
    expect(Object.keys((body.components as { schemas: object }).schemas)).toEqual(
      expect.arrayContaining(['Job', 'Problem']),
    );
    for (const type of ['test:echo', 'test:strict']) expect(JSON.stringify(body.paths)).toContain(`"${type}"`);
  });
});

describe('the rate', () => {
  it('is limited a key, and for wrong keys an address, whatever they forward', async () => {
    const limited = await usePublisher({ environment: { RATE_LIMIT_PER_SECOND: '5' } });
    const burst = (headers: (n: number) => Record<string, string>) =>
      Promise.all(Array.from({ length: 40 }, (_, n) => limited.call('GET', '/v1/job-types', { headers: headers(n) })));
    const known = await burst(() => ({ authorization: `Bearer ${KEYS.a}` }));
    expect(known.filter(answer => answer.status === 200).length).toBeGreaterThanOrEqual(10);
    const slow = known.find(answer => answer.status === 429)!;
    expect([problemSlug(slow), slow.headers['retry-after']]).toEqual(['rate-limited', '1']);
    const guesses = await burst(n => ({ authorization: 'Bearer wrong', 'x-forwarded-for': `10.0.0.${n}` }));
    expect(guesses.map(answer => answer.status)).toContain(429);
    expect((await limited.call('GET', '/v1/job-types', { key: KEYS.reader })).status).toBe(200);
    expect((await limited.call('GET', '/health/live')).status).toBe(200);
  });
});

describe('without keys', () => {
  it('everybody is tenant default, on loopback names only', async () => {
    const open = await usePublisher({ environment: { API_KEYS: '' } });
    const answer = await open.call('POST', '/v1/jobs', { json: JOB });
    expect([answer.status, answer.body.tenant]).toEqual([202, 'default']);
    expect((await open.call('GET', '/ui')).status).toBe(200);
    const rebound = await open.call('POST', '/v1/jobs', { json: JOB, headers: { host: 'evil.example' } });
    expect([rebound.status, problemSlug(rebound)]).toEqual([403, 'cross-site-request']);
    expect((await open.call('GET', '/health', { headers: { host: 'evil.example' } })).status).toBe(200);
    expect(open.log.filter(line => line.includes('no API_KEYS'))).toHaveLength(1);
  });
});

describe('the log', () => {
  it('has one line a request, without keys, queries or payloads', async () => {
    const before = api.log.length;
    await api.call('POST', '/v1/jobs', { key: KEYS.a, json: { type: 'test:echo', payload: { password: 'canary-1' } } });
    await api.call('POST', '/v1/jobs', { key: KEYS.a, json: { type: 'test:strict', payload: { to: 'canary-2' } } });
    await api.call('GET', '/v1/stats?secret=canary-3', { key: KEYS.a });
    await api.call('GET', '/v1/a%0a%1b[31m', { key: 'canary-key-4-canary-key' });
    const lines = api.log.slice(before).join('');
    const requests = lines.split('\n').filter(line => line.includes('"msg":"request"'));
    expect(requests.map(line => (JSON.parse(line) as { status: number }).status)).toEqual([202, 400, 400, 401]);
    expect(JSON.parse(requests[0]!)).toMatchObject({
      component: 'http',
      method: 'POST',
      path: '/v1/jobs',
      key: 'a',
      tenant: 'tenant-a',
    });
    expect(lines).not.toMatch(/canary/);
    expect(lines).not.toContain(KEYS.a);
  });
});
