import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { JOB_HANDLERS } from '../../src/jobs/index.ts';
import { submitCheck } from './submit-check.ts';

const mail = { to: ['ann@example.com'], subject: 's', body: 't' };
const note = { userId: 'u1', title: 't', body: 'b' };

describe('what a submit accepts', () => {
  test.each<[string, unknown]>([
    ['email:send', mail],
    ['email:send', { ...mail, to: 'ann@example.com', cc: ['bob@mail.example.com'], html: '<b>t</b>' }],
    ['email:send', { to: 'ann@example.com', subject: 's', template: 'welcome', context: { name: 'Ann' } }],
    ['email:send', { to: 'ann@example.com', subject: 's', template: { text: '{{a}}' }, context: { a: 1 } }],
    ['user:notification', { ...note, channel: 'inapp' }],
    ['user:notification', { ...note, channel: 'email', userId: 'ann@example.com' }],
    ['user:notification', { ...note, channel: 'email', data: { email: 'ann@example.com' } }],
    ['user:notification', { ...note, channel: 'webhook', data: { url: 'https://example.com/h' } }],
    ['data:export', { format: 'csv', rows: [['=cmd', '+1', 'ok', 1, null, true]] }],
    ['data:export', { format: 'ndjson', collection: 'orders', filter: { state: 'open' }, fields: ['_id', 'a.b'] }],
    ['data:export', { format: 'csv', rows: [{ a: 1 }], filename: 'Übersicht 1.csv' }],
    ['file:process', { path: 'a/b.txt' }],
    ['file:process', { path: './a..b/c.jpg', operation: 'thumbnail', width: 64, format: 'png' }],
    ['cache:warm', { urls: ['https://example.com/'] }],
    ['cache:warm', { keys: ['https://example.com/'], ttlSeconds: 60 }],
  ])('%s %j', (type, payload) => {
    expect(submitCheck(type, payload)).toEqual({ status: 202 });
  });
});

describe('what has the wrong shape is a 400 that points at it', () => {
  test.each<[string, unknown, string]>([
    ['email:send', { ...mail, to: 'a@example.com\r\nBcc: v@example.com' }, '/to'],
    ['email:send', { ...mail, to: 'a@example.com\n' }, '/to'],
    ['email:send', { ...mail, to: 'a@evil.example (x)\r\n .example.com' }, '/to'],
    ['email:send', { ...mail, to: '"a@evil.example"@example.com' }, '/to'],
    ['email:send', { ...mail, to: 'Ann <ann@example.com>' }, '/to'],
    ['email:send', { ...mail, to: 'ann@localhost' }, '/to'],
    ['email:send', { ...mail, to: 'ann@[127.0.0.1]' }, '/to'],
    ['email:send', { ...mail, to: 'a@b@example.com' }, '/to'],
    ['email:send', { ...mail, to: '.a@example.com' }, '/to'],
    ['email:send', { ...mail, to: 'a,b@example.com' }, '/to'],
    ['email:send', { ...mail, to: 'ä@example.com' }, '/to'],
    ['email:send', { ...mail, to: [] }, '/to'],
    ['email:send', { ...mail, to: ['ann@example.com', 'nobody'] }, '/to/1'],
    ['email:send', { ...mail, to: Array(51).fill('a@example.com') }, '/to'],
    ['email:send', { ...mail, cc: 'x' }, '/cc'],
    ['email:send', { ...mail, subject: 's\r\nBcc: v@example.com' }, '/subject'],
    ['email:send', { ...mail, subject: 's\u2028x' }, '/subject'],
    ['email:send', { ...mail, attachments: [{ path: '/etc/passwd' }] }, '/'],
    ['email:send', { ...mail, body: 'x'.repeat(500_001) }, '/body'],
    ['email:send', { to: 'a@example.com', subject: 's' }, '/body'],
    ['email:send', { ...mail, context: { a: 1 } }, '/context'],
    ['email:send', { ...mail, template: 'welcome', context: { name: 'A' } }, '/template'],
    ['email:send', { to: 'a@example.com', subject: 's', template: 'nope' }, '/template'],
    ['email:send', { to: 'a@example.com', subject: 's', template: {} }, '/template'],
    ['email:send', { to: 'a@example.com', subject: 's', template: 'welcome' }, '/context/name'],
    ['user:notification', { ...note, channel: 'sms' }, '/channel'],
    ['user:notification', { ...note, channel: 'email' }, '/data/email'],
    [
      'user:notification',
      { ...note, channel: 'email', userId: 'a@example.com', data: { email: 'x\r\n' } },
      '/data/email',
    ],
    ['user:notification', { ...note, channel: 'webhook' }, '/data/url'],
    ['user:notification', { ...note, channel: 'webhook', data: { url: 'no url' } }, '/data/url'],
    ['user:notification', { ...note, channel: 'inapp', title: 'a\nb' }, '/title'],
    ['user:notification', { ...note, channel: 'inapp', data: { a: 'x'.repeat(40_000) } }, '/data'],
    ['data:export', { format: 'exe' }, '/format'],
    ['data:export', { format: 'csv' }, '/collection'],
    ['data:export', { format: 'csv', rows: [], collection: 'orders' }, '/collection'],
    ['data:export', { format: 'csv', collection: 'jobs' }, '/collection'],
    ['data:export', { format: 'csv', collection: 'system.users' }, '/collection'],
    ['data:export', { format: 'csv', collection: 'a$b' }, '/collection'],
    ['data:export', { format: 'csv', collection: 'orders', filter: { $where: 'x' } }, '/filter/$where'],
    ['data:export', { format: 'csv', collection: 'orders', filter: { a: { $ne: 1 } } }, '/filter/a'],
    ['data:export', { format: 'csv', rows: [['a']], filter: { a: 1 } }, '/filter'],
    ['data:export', { format: 'csv', rows: [['a']], fields: ['$a'] }, '/fields/0'],
    ['data:export', { format: 'csv', rows: [['a']], filename: 'a/b.csv' }, '/filename'],
    ['data:export', { format: 'csv', rows: [['a']], filename: '.hidden' }, '/filename'],
    ['file:process', {}, '/path'],
    ['file:process', { path: '' }, '/path'],
    ['file:process', { path: 'a', operation: 'delete' }, '/operation'],
    ['file:process', { path: 'a', width: 64 }, '/width'],
    ['file:process', { path: 'a', operation: 'thumbnail', width: 1_000_000 }, '/width'],
    ['cache:warm', {}, '/urls'],
    ['cache:warm', { urls: [] }, '/urls'],
    ['cache:warm', { urls: Array(101).fill('https://example.com/') }, '/urls'],
    ['cache:warm', { urls: ['nope'] }, '/urls/0'],
    ['cache:warm', { keys: ['a'], ttlSeconds: 0 }, '/ttlSeconds'],
  ])('%s %j → %s', (type, payload, pointer) => {
    expect(submitCheck(type, payload)).toMatchObject({ status: 400, pointers: expect.arrayContaining([pointer]) });
  });

  test.each(Object.keys(JOB_HANDLERS))('%s refuses what is no object and what it does not know', type => {
    for (const payload of [null, undefined, 'x', 1, [], () => 1]) {
      expect(submitCheck(type, payload).status).toBe(400);
    }
    expect(submitCheck(type, { unknown: 1 }).status).toBe(400);
  });
});

describe('what leads outside is a 422, whatever else is wrong with the payload', () => {
  test.each([
    '../../etc/passwd',
    '/etc/passwd',
    '..\\..\\windows',
    'a/../../b',
    'a\u0000.txt',
    'C:\\x',
    'c:x',
    'a/..',
    '..',
    '.ledgermq/x',
    './.ledgermq/x',
  ])('file:process path %j', path => {
    const refusal = { status: 422, slug: 'forbidden-path', pointers: ['/path'] };
    expect(submitCheck('file:process', { path })).toEqual(refusal);
    expect(submitCheck('file:process', { path, operation: 'nonsense', more: 1 })).toEqual(refusal);
  });

  test('data:export filename, before the missing rest', () => {
    const refusal = { status: 422, slug: 'forbidden-path', pointers: ['/filename'] };
    expect(submitCheck('data:export', { filename: '../../out.csv', format: 'csv', rows: [['a']] })).toEqual(refusal);
    expect(submitCheck('data:export', { filename: '/out.csv' })).toEqual(refusal);
  });

  test.each([
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_FLUSHALL',
    'javascript:alert(1)',
    'http://user:pass@example.com/',
    'https://user@example.com/',
  ])('URL %j', url => {
    const slug = 'forbidden-webhook-url';
    expect(submitCheck('cache:warm', { urls: ['https://example.com/', url] })).toEqual({
      status: 422,
      slug,
      pointers: ['/urls/1'],
    });
    expect(submitCheck('cache:warm', { urls: [5, url], ttlSeconds: 'x' })).toMatchObject({ status: 422, slug });
    expect(submitCheck('user:notification', { channel: 'webhook', data: { url } })).toEqual({
      status: 422,
      slug,
      pointers: ['/data/url'],
    });
  });
});

test('every payload and result has a JSON Schema for the API to show', () => {
  for (const definition of Object.values(JOB_HANDLERS)) {
    expect(z.toJSONSchema(definition.payload, { io: 'input' })).toMatchObject({
      type: 'object',
      additionalProperties: false,
    });
    expect(z.toJSONSchema(definition.result!)).toMatchObject({ type: 'object' });
  }
});
