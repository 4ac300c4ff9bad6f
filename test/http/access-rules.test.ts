import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ApiKey } from '../../src/config/config.ts';
import { Authenticator, mayUse } from '../../src/http/authenticator.ts';
import { isCrossSite } from '../../src/http/cross-site.ts';
import { RateLimit } from '../../src/http/rate-limit.ts';
import { basic } from './http-client.ts';

const key = (name: string, secret: string, scopes: ApiKey['scopes']): ApiKey => ({
  name,
  tenant: `tenant-of-${name}`,
  scopes,
  sha256: createHash('sha256').update(secret).digest('hex'),
});

describe('Authenticator', () => {
  const keys = [key('one', 'secret-one', ['submit', 'read']), key('two', 'secret-two', ['admin'])];
  const closed = new Authenticator({ keys, board: { user: 'ops', password: 'pass:word' } });
  const bearer = (secret: string) => `Bearer ${secret}`;
  const page = (user: string, password: string) => basic(user, password).authorization;

  it('finds a key by its secret', () => {
    expect(closed.bearer(bearer('secret-two'))).toEqual({ name: 'two', tenant: 'tenant-of-two', scopes: ['admin'] });
    expect(closed.bearer('bearer   secret-one')?.name).toBe('one');
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'secret-one',
    'Bearer secret-on',
    'Bearer secret-one x',
    'Token secret-one',
  ])('finds none in %j', header => {
    expect(closed.bearer(header)).toBeNull();
  });

  it('takes name and key together on pages', () => {
    expect(closed.page(page('one', 'secret-one'))?.name).toBe('one');
    expect(closed.page(page('two', 'secret-one'))).toBeNull();
    expect(closed.page(page('one', ''))).toBeNull();
    expect(closed.page('Basic !!!')).toBeNull();
    expect(closed.page(bearer('secret-one'))?.name).toBe('one');
  });

  it('knows the user of the board on the board alone', () => {
    expect(closed.board(page('ops', 'pass:word'))).toMatchObject({ name: 'board' });
    expect(closed.board(page('ops', 'pass:wor'))).toBeNull();
    expect(closed.page(page('ops', 'pass:word'))).toBeNull();
  });

  it('without keys lets everybody in, but to a board with a user of its own', () => {
    const open = new Authenticator({ keys: [], board: null });
    expect([open.bearer(undefined), open.page(undefined), open.board(undefined)].map(who => who?.tenant)).toEqual([
      'default',
      'default',
      'default',
    ]);
    const guarded = new Authenticator({ keys: [], board: { user: 'ops', password: 'pass:word' } });
    expect(guarded.board(undefined)).toBeNull();
    expect(guarded.board(page('ops', 'pass:word'))).not.toBeNull();
  });

  it('admin may do everything, others what they are given', () => {
    const [one, two] = [closed.bearer(bearer('secret-one'))!, closed.bearer(bearer('secret-two'))!];
    expect([mayUse(one, 'submit'), mayUse(one, 'operate'), mayUse(one, 'admin')]).toEqual([true, false, false]);
    expect([mayUse(two, 'submit'), mayUse(two, 'operate'), mayUse(two, 'admin')]).toEqual([true, true, true]);
  });
});

describe('isCrossSite', () => {
  const host = 'api.example:3002';

  it.each([
    ['POST', { host }, false],
    ['POST', { host, origin: 'http://api.example:3002' }, false],
    ['POST', { host, origin: 'https://evil.example' }, true],
    ['POST', { host, origin: 'http://api.example' }, true],
    ['POST', { host, origin: 'null' }, true],
    ['DELETE', { host, 'sec-fetch-site': 'cross-site' }, true],
    ['DELETE', { host, 'sec-fetch-site': 'same-site' }, true],
    ['DELETE', { host, 'sec-fetch-site': 'same-origin' }, false],
    ['GET', { host, origin: 'https://evil.example' }, false],
  ] as const)('%s with %j: %s', (method, headers, expected) => {
    expect(isCrossSite(method, headers, false)).toBe(expected);
  });

  it.each([
    ['localhost:3002', false],
    ['127.0.0.1', false],
    ['[::1]:3002', false],
    ['evil.example', true],
    ['127.0.0.1.evil.example', true],
    ['', true],
  ])('an open server asked as %j: %s', (name, expected) => {
    expect(isCrossSite('GET', { host: name }, true)).toBe(expected);
  });
});

describe('RateLimit', () => {
  const refusalOf = (limit: RateLimit, name: string) => {
    try {
      limit.take(name);
      return null;
    } catch (error) {
      return error;
    }
  };

  it('allows a burst of twice the rate, then the rate', () => {
    let now = 0;
    const limit = new RateLimit(10, () => now);
    for (let n = 0; n < 20; n += 1) limit.take('a');
    expect(refusalOf(limit, 'a')).toMatchObject({ slug: 'rate-limited', headers: { 'retry-after': '1' } });
    expect(refusalOf(limit, 'b')).toBeNull();
    now = 99;
    expect(refusalOf(limit, 'a')).not.toBeNull();
    now = 150;
    expect(refusalOf(limit, 'a')).toBeNull();
    expect(refusalOf(limit, 'a')).not.toBeNull();
    now = 3_600_000;
    for (let n = 0; n < 20; n += 1) limit.take('a');
    expect(refusalOf(limit, 'a')).not.toBeNull();
  });

  it('is off at 0', () => {
    const limit = new RateLimit(0);
    for (let n = 0; n < 10_000; n += 1) limit.take('a');
  });

  it('forgets the oldest names, not the newest', () => {
    const limit = new RateLimit(1, () => 0);
    for (let n = 0; n < 10_001; n += 1) limit.take(`address ${n}`);
    limit.take('address 10000');
    expect(refusalOf(limit, 'address 10000')).not.toBeNull();
    limit.take('address 0');
    expect(refusalOf(limit, 'address 0')).toBeNull();
  });
});
