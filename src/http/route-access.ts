import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Scope } from '../config/config.ts';
import { type Authenticator, type Identity, mayUse } from './authenticator.ts';
import { isCrossSite } from './cross-site.ts';
import { ProblemError } from './problem.ts';
import type { RateLimit } from './rate-limit.ts';

/**
 * Who may call a route. `public`: everybody. `key`: any key. `page`: any key, also by HTTP Basic. `board`: a key with scope
 * `admin`, or the board's own user, also by HTTP Basic. Else a key with that scope.
 */
type Access = 'public' | 'key' | 'page' | 'board' | Scope;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route that says nothing is for administrators. */
    access?: Access;
  }
  interface FastifyRequest {
    /** Who asks; null on public routes. */
    identity: Identity | null;
  }
}

/** Checks origin, key, rate and scope of every request before its body is read. */
export function guardRoutes(app: FastifyInstance, authenticator: Authenticator, rateLimit: RateLimit): void {
  app.decorateRequest('identity', null);
  app.addHook('onRequest', async request => {
    const access = accessOf(request);
    if (isCrossSite(request.method, request.headers, authenticator.isOpen && access !== 'public')) {
      throw new ProblemError('cross-site-request', 'send the request from a page of this host, or without an Origin');
    }
    if (access === 'public') return;
    const identity = identify(authenticator, access, request.headers.authorization);
    if (!identity) {
      // Guessing keys is limited by address; X-Forwarded-For is anybody's to write and is not looked at.
      rateLimit.take(`address ${request.socket.remoteAddress ?? ''}`);
      throw unauthorized(access);
    }
    request.identity = identity;
    if (!authenticator.isOpen) rateLimit.take(`key ${identity.name}`);
    const scope = scopeOf(access);
    if (scope && !mayUse(identity, scope)) {
      throw new ProblemError('insufficient-scope', `the key needs the scope ${scope}`);
    }
  });
}

/** The identity that `guardRoutes` found; for handlers of routes that are not public. */
export function identityOf(request: FastifyRequest): Identity {
  if (!request.identity) throw new Error('the route is public: nobody was identified');
  return request.identity;
}

function accessOf(request: FastifyRequest): Access {
  if (!request.is404) return request.routeOptions.config.access ?? 'admin';
  // Below /v1, who has no key does not learn which paths exist. A browser's preflight never carries one.
  return request.url.startsWith('/v1/') && request.method !== 'OPTIONS' ? 'key' : 'public';
}

function identify(authenticator: Authenticator, access: Access, header: string | undefined): Identity | null {
  if (access === 'board') return authenticator.board(header);
  return access === 'page' ? authenticator.page(header) : authenticator.bearer(header);
}

function scopeOf(access: Access): Scope | null {
  if (access === 'public' || access === 'key' || access === 'page') return null;
  return access === 'board' ? 'admin' : access;
}

function unauthorized(access: Access): ProblemError {
  const byPage = access === 'page' || access === 'board';
  const challenge = byPage ? 'Basic realm="ledgermq", charset="UTF-8"' : 'Bearer realm="ledgermq"';
  const detail = byPage ? "sign in with a key's name and the key" : 'send a valid key: Authorization: Bearer KEY';
  return new ProblemError('unauthorized', detail, { headers: { 'www-authenticate': challenge } });
}
