import { randomUUID } from 'node:crypto';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Config } from '../config/config.ts';
import type { Logger } from '../platform/logger.ts';
import { Authenticator } from './authenticator.ts';
import { answerClientError, answerErrors, sendProblem } from './error-answers.ts';
import { closeGracefully } from './graceful-close.ts';
import { acceptJsonOnly, BODY_LIMIT_BYTES } from './json-body.ts';
import { KnownPaths } from './known-paths.ts';
import { RateLimit } from './rate-limit.ts';
import { logRequests } from './request-log.ts';
import { guardRoutes } from './route-access.ts';
import { setSecurityHeaders } from './security-headers.ts';
import { validateWithZod } from './zod-validation.ts';

/** A request must have arrived whole within this time; Node looks every second. */
const REQUEST_TIMEOUT_MS = 10_000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export interface HttpServerOptions {
  config: Config;
  logger: Logger;
}

/** A Fastify application with everything that all of LedgerMQ's servers have in common, and no routes yet. */
export function createHttpServer({ config, logger }: HttpServerOptions): FastifyInstance {
  const log = logger.child({ component: 'http' });
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node enforces requestTimeout only with a headersTimeout that is not longer.
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: 1_000 },
    routerOptions: { maxParamLength: 1_024 },
    // Requests that arrive on open connections while the server closes are still served.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    genReqId: request => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    frameworkErrors: (error, request, reply) => {
      log.info({ requestId: request.id, code: error.code }, 'request refused');
      return sendProblem(error, request, reply, log);
    },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, log),
  });
  const paths = new KnownPaths();
  paths.watch(app);
  setSecurityHeaders(app);
  closeGracefully(app);
  logRequests(app, log);
  guardRoutes(app, new Authenticator(config.access), new RateLimit(config.http.rateLimitPerSecond));
  acceptJsonOnly(app);
  validateWithZod(app);
  answerErrors(app, paths, log);
  return app;
}

/** Listens, and answers the port, which the system chose where the configured one is 0. */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  await app.listen({ host, port });
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
