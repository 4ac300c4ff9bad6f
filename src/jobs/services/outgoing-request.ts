import { type LookupAddress, lookup as resolve } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { TaskError } from '../task-error.ts';
import { isPublicAddress } from './address-rules.ts';
import { hostOf, isAllowedHost, isPrivateLiteral, refuseUrl } from './outgoing-url.ts';

export interface OutgoingRequest {
  method: 'GET' | 'POST';
  url: string;
  headers?: Record<string, string>;
  body?: string;
  /** `host` or `host:port` that may be reached though their addresses are private. */
  allowHosts: readonly string[];
  signal: AbortSignal;
  /** For the whole exchange, from the name look-up to the last byte. */
  timeoutMs: number;
  /** Reading stops here; the rest is never fetched. */
  maxBytes: number;
}

export interface OutgoingResponse {
  status: number;
  body: Buffer;
  /** The body was longer than `maxBytes`. */
  truncated: boolean;
}

/** The URL leads to an address that must not be reached. No connection was made. */
export class ForbiddenAddressError extends TaskError {
  constructor(host: string) {
    super(`${JSON.stringify(host)} leads to a private or special address`, { retry: false });
    this.name = 'FORBIDDEN_ADDRESS';
  }
}

/**
 * One HTTP request to somewhere outside. Every address that the name resolves to is checked in the look-up of the connection
 * itself, so a name cannot change between check and use. Redirects are never followed: a 3xx is an answer like any other.
 * @throws ForbiddenAddressError (no retry) · RefusedError for other schemes · the signal's reason · Error on network faults.
 */
export async function outgoingRequest(request: OutgoingRequest): Promise<OutgoingResponse> {
  request.signal.throwIfAborted();
  refuseUrl(request.url, '');
  const url = new URL(request.url);
  const allowed = isAllowedHost(url, request.allowHosts);
  if (!allowed && isPrivateLiteral(url)) throw new ForbiddenAddressError(hostOf(url));

  const abort = new AbortController();
  const onAbort = () => abort.abort(request.signal.reason);
  request.signal.addEventListener('abort', onAbort, { once: true });
  const late = new Error(`no complete answer from ${url.host} within ${request.timeoutMs} ms`);
  const timer = setTimeout(() => abort.abort(late), request.timeoutMs);
  try {
    return await exchange(request, url, allowed, abort.signal);
  } catch (error) {
    // Node reports an aborted request in words of its own; the reason says who ended it.
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener('abort', onAbort);
  }
}

function exchange(
  request: OutgoingRequest,
  url: URL,
  allowed: boolean,
  signal: AbortSignal,
): Promise<OutgoingResponse> {
  return new Promise((settle, fail) => {
    const { request: open } = url.protocol === 'https:' ? https : http;
    const options: https.RequestOptions = {
      method: request.method,
      headers: { 'user-agent': 'LedgerMQ', 'accept-encoding': 'identity', ...request.headers },
      signal,
      // No agent: its kept connections would be reused without a look-up.
      agent: false,
      ...(allowed ? {} : { lookup: publicLookup }),
    };
    const outgoing = open(url, options, response => {
      readBody(response, request.maxBytes).then(settle, fail);
    });
    outgoing.on('error', fail);
    outgoing.end(request.body);
  });
}

async function readBody(response: http.IncomingMessage, maxBytes: number): Promise<OutgoingResponse> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop early destroys the response and its connection with it.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const room = maxBytes - bytes;
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks), truncated: bytes > maxBytes };
}

/** Resolves like the system does, but fails when any of the addresses is private: one bad record condemns the name. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error) return callback(error, []);
    if (addresses.length === 0 || !addresses.every(entry => isPublicAddress(entry.address))) {
      return callback(new ForbiddenAddressError(hostname), []);
    }
    if (options.all) return callback(null, addresses);
    callback(null, addresses[0]!.address, addresses[0]!.family);
  });
};
