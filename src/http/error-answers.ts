import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RefusedError, StorageUnavailableError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { KnownPaths } from './known-paths.ts';
import { PROBLEM_MEDIA_TYPE, ProblemError, type ProblemSlug, problemOf, RefusedValueProblem } from './problem.ts';

const RETRY_AFTER_S = '2';

/** Errors of the framework and of Node's HTTP parser that have a problem type of their own. */
const BY_CODE: Readonly<Record<string, readonly [ProblemSlug, string]>> = {
  FST_ERR_BAD_URL: ['bad-url', 'the path has a broken percent escape'],
  FST_ERR_MAX_PARAM_LENGTH: ['bad-url', 'a part of the path is too long'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['payload-too-large', 'a job may have 1 MiB, a bulk 8 MiB'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported-media-type', 'send application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['malformed-json', 'the body does not have the announced length'],
  HPE_HEADER_OVERFLOW: ['headers-too-large', 'URL and headers may have 16 kB together'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'send the whole request within ten seconds'],
};

/** Makes problem+json of every error: handlers', the framework's, unknown paths, other methods. 5xx show no internal text. */
export function answerErrors(app: FastifyInstance, paths: KnownPaths, logger: Logger): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(error, request, reply, logger));
  app.setNotFoundHandler((request, reply) => {
    const allow = paths.methodsOf(request.url);
    if (allow.length === 0) throw new ProblemError('not-found', 'there is nothing at this path');
    void reply.header('allow', allow.join(', '));
    throw new ProblemError('method-not-allowed', `this path knows ${allow.join(', ')}`);
  });
}

export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): FastifyReply {
  const problem = asProblem(error);
  if (problem.status >= 500) logFailure(logger, request.id, problem);
  return reply
    .code(problem.status)
    .headers({ ...problem.headers, 'x-request-id': request.id, 'x-content-type-options': 'nosniff' })
    .type(PROBLEM_MEDIA_TYPE)
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(problemOf(problem, request.id));
}

export function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof StorageUnavailableError) {
    return new ProblemError(
      'storage-unavailable',
      'repeat the request after the given seconds; a submit with its Idempotency-Key, as it may have been stored',
      { headers: { 'retry-after': RETRY_AFTER_S }, cause: error },
    );
  }
  if (error instanceof RefusedError) return new RefusedValueProblem(error.code, error.message, error.pointer ?? '');
  const code = codeOf(error);
  const known = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined;
  if (known) return new ProblemError(...known, { cause: error });
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500)
    return new ProblemError('bad-request', 'the request is malformed', { cause: error });
  return new ProblemError('internal-error', 'the request failed here; the log tells more under requestId', {
    cause: error,
  });
}

/** Requests that Node's parser refuses never reach the framework: the answer is written to the socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket, logger: Logger): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const requestId = randomUUID();
  const problem = BY_CODE[error.code ?? '']
    ? asProblem(error)
    : new ProblemError('bad-request', 'this is not valid HTTP', { cause: error });
  const body = JSON.stringify(problemOf(problem, requestId));
  logger.info({ requestId, status: problem.status, code: error.code }, 'request refused');
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${PROBLEM_MEDIA_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${requestId}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** Name, code and stack only: other fields of an error of the driver may hold a whole document. */
function logFailure(logger: Logger, requestId: string, problem: ProblemError): void {
  const causes = [];
  for (let cause = problem.cause; cause instanceof Error && causes.length < 5; cause = cause.cause) {
    causes.push({ name: cause.name, code: codeOf(cause), message: cause.message, stack: cause.stack });
  }
  const known = problem.slug !== 'internal-error';
  logger[known ? 'warn' : 'error'](
    { requestId, causes: known ? causes.map(cause => cause.message) : causes },
    problem.slug,
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
