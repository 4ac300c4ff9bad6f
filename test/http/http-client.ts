import { type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The parsed body; `{}` when it is no JSON. */
  body: Record<string, unknown>;
  ms: number;
}

export interface Call {
  /** Sent as `Authorization: Bearer`. */
  key?: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  raw?: string | Buffer;
}

/** One request on a connection of its own, with the path exactly as given. */
export function send(url: string, method: string, path: string, call: Call = {}): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const content = call.raw ?? (call.json === undefined ? undefined : JSON.stringify(call.json));
  const headers: Record<string, string> = {
    ...(call.key === undefined ? {} : { authorization: `Bearer ${call.key}` }),
    ...(call.json === undefined ? {} : { 'content-type': 'application/json' }),
    ...(content === undefined ? {} : { 'content-length': String(Buffer.byteLength(content)) }),
    ...call.headers,
  };
  const since = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers, agent: false }, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const status = response.statusCode ?? 0;
        resolve({ status, headers: response.headers, text, body: parse(text), ms: performance.now() - since });
      });
    });
    sent.on('error', reject);
    sent.end(content);
  });
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

export function basic(name: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}

/** The slug of a problem; checks that the answer is a well-formed problem document. */
export function problemSlug({ status, headers, body }: Answer): string {
  if (!String(headers['content-type']).startsWith('application/problem+json')) return `no problem: ${status}`;
  const { type, title, detail, requestId } = body;
  const texts = [type, title, detail, requestId];
  if (texts.some(text => typeof text !== 'string' || text === '')) return `incomplete: ${JSON.stringify(body)}`;
  if (body.status !== status) return `status ${String(body.status)} in a ${status}`;
  if (headers['x-request-id'] !== requestId) return `request id ${String(headers['x-request-id'])}`;
  return String(type).replace(/^.*:/, '');
}
