import type { FastifyInstance } from 'fastify';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Pages load nothing from other hosts: the board asks for Google Fonts and does without. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
  "connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route serves a page for a browser, with scripts and styles of its own. */
    isPage?: boolean;
  }
}

export function setSecurityHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    const isPage = !request.is404 && request.routeOptions.config.isPage === true;
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': isPage ? PAGE_POLICY : API_POLICY,
      ...(isPage ? {} : { 'cache-control': 'no-store' }),
    });
  });
}
