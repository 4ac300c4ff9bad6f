import type { FastifyInstance } from 'fastify';
import type { Logger } from '../platform/logger.ts';

const LONGEST_PATH = 200;

/** One line a request: never its query, headers or body. Health checks are lines of level debug. */
export function logRequests(app: FastifyInstance, logger: Logger): void {
  app.addHook('onResponse', async (request, reply) => {
    const path = request.url.split('?', 1)[0]!.slice(0, LONGEST_PATH);
    const level = path.startsWith('/health') ? 'debug' : 'info';
    logger[level](
      {
        requestId: request.id,
        method: request.method,
        path,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        key: request.identity?.name,
        tenant: request.identity?.tenant,
      },
      'request',
    );
  });
}
