import { once } from 'node:events';
import type http from 'node:http';
import { describe, expect, test } from 'vitest';
import {
  ForbiddenAddressError,
  type OutgoingRequest,
  outgoingRequest,
  publicLookup,
} from '../../src/jobs/services/outgoing-request.ts';
import { useWebServer } from './web-server.ts';

const arrived: string[] = [];
const hanging: http.ServerResponse[] = [];

const web = await useWebServer((request, response) => {
  arrived.push(`${request.method} ${request.url}`);
  if (request.url === '/hang') {
    hanging.push(response);
    response.write('first');
    return;
  }
  if (request.url === '/redirect') return response.writeHead(302, { location: web.url('/target') }).end();
  if (request.url === '/flood') {
    const more = () => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    return more();
  }
  if (request.url === '/echo') return request.pipe(response);
  response.end('hello');
});

function ask(path: string, overrides: Partial<OutgoingRequest> = {}) {
  return outgoingRequest({
    method: 'GET',
    url: web.url(path),
    allowHosts: [web.host],
    signal: new AbortController().signal,
    timeoutMs: 5_000,
    maxBytes: 1_000_000,
    ...overrides,
  });
}

test('answers status and body', async () => {
  expect(await ask('/')).toEqual({ status: 200, body: Buffer.from('hello'), truncated: false });
  const echo = await ask('/echo', { method: 'POST', body: '{"a":"ü"}' });
  expect(echo.body.toString()).toBe('{"a":"ü"}');
});

test('does not follow a redirect', async () => {
  expect((await ask('/redirect')).status).toBe(302);
  expect(arrived).not.toContain('GET /target');
});

test('reads no more than maxBytes of an endless body', async () => {
  const { body, truncated } = await ask('/flood', { maxBytes: 100_000 });
  expect([body.length, truncated]).toEqual([100_000, true]);
  expect((await ask('/', { maxBytes: 5 })).truncated).toBe(false);
});

test('ends at its time limit although bytes have come', async () => {
  await expect(ask('/hang', { timeoutMs: 100 })).rejects.toThrow('within 100 ms');
});

test('an abort ends it with the signal’s reason and closes the connection', async () => {
  hanging.length = 0;
  const controller = new AbortController();
  const answer = ask('/hang', { signal: controller.signal });
  await expect.poll(() => hanging.length).toBe(1);
  const closed = once(hanging[0]!, 'close');
  const reason = new Error('cancelled');
  controller.abort(reason);
  await expect(answer).rejects.toBe(reason);
  await closed;
  await expect(ask('/', { signal: controller.signal })).rejects.toBe(reason);
});

describe('what leads inside is refused without a connection', () => {
  test.each(['127.0.0.1', 'localhost', '127.1', '2130706433', '[::ffff:127.0.0.1]', 'LOCALHOST'])('%s', async host => {
    const before = web.connections();
    const refused = ask('/', { url: `http://${host}:${web.port}/`, allowHosts: ['127.0.0.1:1', 'example.com'] });
    await expect(refused).rejects.toBeInstanceOf(ForbiddenAddressError);
    await expect(refused).rejects.toMatchObject({ name: 'FORBIDDEN_ADDRESS', retry: false });
    expect(web.connections()).toBe(before);
  });

  test('other schemes', async () => {
    await expect(ask('/', { url: 'ftp://example.com/' })).rejects.toMatchObject({ code: 'forbidden-webhook-url' });
  });

  test('the allow-list opens one port, not the host', async () => {
    expect(
      (await ask('/', { url: `http://localhost:${web.port}/`, allowHosts: [`localhost:${web.port}`] })).status,
    ).toBe(200);
    await expect(ask('/', { url: 'http://127.0.0.1:1/', allowHosts: [web.host] })).rejects.toThrow(
      ForbiddenAddressError,
    );
  });

  test.each([true, false])('the look-up of a connection itself refuses, with all: %s', async all => {
    // A name is resolved only here, by the socket that dials: there is no moment between check and use to change it.
    const [error] = await new Promise<unknown[]>(settle => {
      publicLookup('localhost', { all }, (...answer) => settle(answer));
    });
    expect(error).toBeInstanceOf(ForbiddenAddressError);
  });
});
