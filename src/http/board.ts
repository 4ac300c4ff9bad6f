import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyInstance } from 'fastify';
import type { QueueManager } from '../pipeline/queue/queue-manager.ts';
import { asProblem } from './error-answers.ts';
import { PROBLEM_MEDIA_TYPE, ProblemError, problemOf } from './problem.ts';

const PATH = '/ui';

/**
 * Bull Board, read-only: a retry or a clean there would go around MongoDB. It shows what Redis holds, which is a small window;
 * while Redis is away its page loads and its data is a 503.
 */
export async function serveBoard(app: FastifyInstance, queueManager: QueueManager): Promise<void> {
  const adapter = new FastifyAdapter();
  adapter.setBasePath(PATH);
  createBullBoard({
    queues: queueManager.lanes.map(lane => new BullMQAdapter(queueManager.queue(lane), { readOnlyMode: true })),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'LedgerMQ', hideRedisDetails: true } },
  });
  // The board has a form of its own for errors, with the texts of its libraries: ours is made of it before it is sent.
  adapter.setErrorHandler(error => ({
    status: 500,
    body: { thrown: error instanceof ProblemError ? error : boardProblem(500) },
  }));
  await app.register(
    async ui => {
      ui.addHook('onRoute', route => {
        route.config = { ...route.config, access: 'board', isPage: true };
      });
      ui.addHook('preSerialization', async (request, reply, payload) => {
        if (reply.statusCode < 400) return payload;
        const problem = asProblem(isThrown(payload) ? payload.thrown : boardProblem(reply.statusCode));
        reply.code(problem.status).headers(problem.headers).type(PROBLEM_MEDIA_TYPE);
        return problemOf(problem, request.id);
      });
      await ui.register(adapter.registerPlugin());
    },
    { prefix: PATH },
  );
}

function isThrown(payload: unknown): payload is { thrown: unknown } {
  return typeof payload === 'object' && payload !== null && 'thrown' in payload;
}

function boardProblem(status: number): ProblemError {
  if (status === 404) return new ProblemError('not-found', 'the board does not have this');
  if (status === 405) return new ProblemError('method-not-allowed', 'the board is read-only: use the API');
  if (status < 500) return new ProblemError('bad-request', 'the board does not understand this');
  return new ProblemError('engine-unavailable', 'the board shows what Redis holds: try again when it is back');
}
