import type { FastifyInstance, FastifyRequest } from 'fastify';
import { checkJson } from './json-rules.ts';
import { ProblemError } from './problem.ts';

export const BODY_LIMIT_BYTES = 1_048_576;

const decoder = new TextDecoder('utf-8', { fatal: true });

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route works without a body; an empty one is then no malformed JSON. */
    bodyOptional?: boolean;
    /** Parts of the body are stored as they are. */
    keepsValues?: boolean;
  }
}

/** JSON is the only media type. Bodies are decoded strictly and checked before any schema sees them. */
export function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    refuseOtherCharset(request.headers['content-type']);
    if (body.length === 0 && request.routeOptions.config.bodyOptional) return undefined;
    const value = parse(body);
    checkJson(value, request.routeOptions.config.keepsValues ?? false);
    return value;
  });
  app.addHook('onRequest', async request => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new ProblemError('unsupported-content-encoding', 'send the body without a content encoding');
    }
  });
}

function refuseOtherCharset(contentType: string | undefined): void {
  const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(contentType ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    throw new ProblemError('unsupported-media-type', 'send application/json in UTF-8');
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(decoder.decode(body));
  } catch {
    // The parser's own message quotes the body.
    throw new ProblemError('malformed-json', body.length === 0 ? 'the body is empty' : 'the body is not valid JSON');
  }
}
