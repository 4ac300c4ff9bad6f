import type { FastifyInstance } from 'fastify';

const LOOK_EVERY_MS = 100;

/**
 * While the server closes, what arrives on open connections is still served, and told that the connection ends with it. Node
 * closes connections that are idle when the closing begins; one that falls idle later would keep the server for its whole
 * keep-alive time.
 */
export function closeGracefully(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
    const timer = setInterval(() => app.server.closeIdleConnections(), LOOK_EVERY_MS);
    app.server.once('close', () => clearInterval(timer));
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) void reply.header('connection', 'close');
  });
}
