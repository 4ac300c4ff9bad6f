import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { z } from 'zod';
import { mayUse } from '../http/authenticator.ts';
import { BODY_LIMIT_BYTES } from '../http/json-body.ts';
import { ProblemError, RefusedValueProblem } from '../http/problem.ts';
import { identityOf } from '../http/route-access.ts';
import { noQuery } from '../http/stats-route.ts';
import { compileZod, validationError } from '../http/zod-validation.ts';
import type { JobRegistry } from '../jobs/define-job.ts';
import { JOB_STATUSES } from '../pipeline/store/job-document.ts';
import { inputErrorsOf } from '../pipeline/submit/input-errors.ts';
import { bulkSchema, IDEMPOTENCY_KEY } from '../pipeline/submit/submission.ts';
import type { SubmitManyResult, SubmitResult, Submitter } from '../pipeline/submit/submitter.ts';
import { jobSchema, viewOf } from './job-view.ts';
import { bulkBodySchema, submitBodySchema } from './submit-schemas.ts';

const BULK_LIMIT_BYTES = 8 * 1_048_576;

const bulkAnswerSchema = z.object({
  items: z.array(z.object({ id: z.string(), type: z.string(), status: z.enum(JOB_STATUSES) })),
});

const idempotencyHeader = z
  .object({ 'idempotency-key': z.string().optional().describe('1 to 255 visible ASCII characters') })
  .describe('The same key with the same body is answered with the first job');

/** `POST /v1/jobs` and `POST /v1/jobs/bulk`. Bodies are judged by the submitter; their schemas here are the documentation. */
export function serveSubmit(app: FastifyInstance, submitter: Submitter, registry: JobRegistry): void {
  app.post(
    '/v1/jobs',
    {
      config: { access: 'submit', keepsValues: true },
      preValidation: async request => refuseWait(request),
      validatorCompiler: judgedLater,
      schema: {
        tags: ['jobs'],
        summary: 'Submit a job',
        headers: idempotencyHeader,
        querystring: noQuery,
        body: submitBodySchema(registry),
        response: { 200: jobSchema.describe('The first job of this idempotency key'), 202: jobSchema },
      },
    },
    (request, reply) => submitOne(submitter, request, reply),
  );
  app.post(
    '/v1/jobs/bulk',
    {
      config: { access: 'submit', keepsValues: true },
      bodyLimit: BULK_LIMIT_BYTES,
      preValidation: async request => refuseWait(request),
      validatorCompiler: judgedLater,
      schema: {
        tags: ['jobs'],
        summary: 'Submit up to 1,000 jobs, all or none',
        querystring: noQuery,
        body: bulkBodySchema(registry),
        response: { 202: bulkAnswerSchema },
      },
    },
    (request, reply) => submitBulk(submitter, request, reply),
  );
}

/** Query and path are judged here; the body by the submitter, and the headers where they are used. */
const judgedLater: FastifySchemaCompiler<unknown> = route =>
  route.httpPart === 'body' || route.httpPart === 'headers' ? value => ({ value }) : compileZod(route);

async function submitOne(submitter: Submitter, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const identity = identityOf(request);
  const result = await submitter.submitBody(identity.tenant, request.body, idempotencyKeyOf(request));
  if (result.status !== 'accepted' && result.status !== 'replayed') throw problemOfResult(result);
  const view = viewOf(result.job, mayUse(identity, 'admin'));
  if (result.status === 'replayed') void reply.header('idempotency-replayed', 'true');
  return reply
    .code(result.status === 'replayed' ? 200 : 202)
    .header('location', `/v1/jobs/${view.id}`)
    .send(view);
}

async function submitBulk(submitter: Submitter, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (request.headers['idempotency-key'] !== undefined) {
    throw new ProblemError('invalid-idempotency-key', 'in a bulk, each job carries its own idempotencyKey');
  }
  const parsed = bulkSchema.safeParse(request.body);
  if (!parsed.success) throw validationError(inputErrorsOf(parsed.error.issues));
  const { jobs } = parsed.data;
  refuseLargeJob(request, jobs);
  const result = await submitter.submitBodies(identityOf(request).tenant, jobs);
  if (result.status !== 'accepted') throw problemOfResult(result, '/jobs');
  const items = result.entries.map(({ job }) => ({ id: job._id.toHexString(), type: job.type, status: job.status }));
  return reply.code(202).send({ items });
}

type NotStored = Exclude<SubmitResult | SubmitManyResult, { status: 'accepted' | 'replayed' }>;

function problemOfResult(result: NotStored, prefix = ''): ProblemError {
  switch (result.status) {
    case 'invalid':
      return validationError(result.errors.map(error => ({ ...error, pointer: prefix + error.pointer })));
    case 'refused':
      return new RefusedValueProblem(result.slug, result.detail, prefix + result.pointer);
    case 'conflict':
      return new ProblemError(
        'idempotency-key-reused',
        'the key belongs to a job with another body: use a new key, or send the same body',
        prefix === '' ? {} : { extras: { pointer: prefix + result.pointer } },
      );
  }
}

function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return key;
  throw new ProblemError('invalid-idempotency-key', 'send 1 to 255 visible ASCII characters, once');
}

function refuseWait(request: FastifyRequest): void {
  const prefer = String(request.headers.prefer ?? '');
  if (/(^|[,;\s])wait(\s*=|$|[,;\s])/i.test(prefer)) {
    const detail = 'waiting for the result is not available yet: leave Prefer: wait out and read the job later';
    throw new ProblemError('validation-error', detail, { extras: { errors: [{ pointer: '', detail }] } });
  }
}

/** Only where the whole is larger than one job may be can a single one be. */
function refuseLargeJob(request: FastifyRequest, jobs: readonly unknown[]): void {
  if (Number(request.headers['content-length'] ?? Number.MAX_SAFE_INTEGER) <= BODY_LIMIT_BYTES) return;
  for (const [index, job] of jobs.entries()) {
    if (Buffer.byteLength(JSON.stringify(job) ?? '') > BODY_LIMIT_BYTES) {
      throw new ProblemError('payload-too-large', 'each job may have 1 MiB', { extras: { pointer: `/jobs/${index}` } });
    }
  }
}
