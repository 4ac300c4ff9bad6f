import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { mayUse } from '../http/authenticator.ts';
import { ProblemError } from '../http/problem.ts';
import { identityOf } from '../http/route-access.ts';
import { noQuery } from '../http/stats-route.ts';
import type { JobDocument } from '../pipeline/store/job-document.ts';
import {
  type CancelResult,
  cancelJob,
  type DeleteResult,
  deleteJob,
  type RedriveResult,
  redriveJob,
} from '../pipeline/store/job-operations.ts';
import { findJobById, type TenantView } from '../pipeline/store/job-queries.ts';
import type { OutcomeCounters } from '../pipeline/store/outcome-counters.ts';
import type { StoreContext } from '../pipeline/store/store-context.ts';
import type { Wake } from '../pipeline/submit/submitter.ts';
import { type JobView, jobSchema, viewOf } from './job-view.ts';

const jobParams = z.object({ id: z.string().regex(/^[0-9a-f]{24}$/i, 'must be a job id: 24 hexadecimal digits') });
// Fastify shows a schema null where there is no body.
const emptyBody = z.strictObject({}).nullish();
const deleteQuery = z.strictObject({
  force: z.enum(['true', 'false']).optional().describe('Drop a webhook delivery that is still due'),
});

export interface JobRoutesOptions {
  context: StoreContext;
  counters: OutcomeCounters;
  wake: Wake;
}

type ById = FastifyRequest<{ Params: z.output<typeof jobParams> }>;

/** `GET` and `DELETE /v1/jobs/:id`, `POST /v1/jobs/:id/cancel` and `/retry`. A job of another tenant does not exist. */
export function serveJobs(app: FastifyInstance, options: JobRoutesOptions): void {
  const { context } = options;
  app.get<{ Params: z.output<typeof jobParams> }>(
    '/v1/jobs/:id',
    {
      config: { access: 'read' },
      schema: {
        tags: ['jobs'],
        summary: 'Read a job',
        params: jobParams,
        querystring: noQuery,
        response: { 200: jobSchema },
      },
    },
    async request => {
      const job = await findJobById(context, request.params.id, tenantOf(request));
      if (!job) throw notFound();
      return show(request, job);
    },
  );
  serveOperations(app, options);
}

function serveOperations(app: FastifyInstance, { context, counters, wake }: JobRoutesOptions): void {
  const operation = (summary: string) => ({
    config: { access: 'operate' as const, bodyOptional: true },
    schema: {
      tags: ['jobs'],
      summary,
      params: jobParams,
      querystring: noQuery,
      body: emptyBody,
      response: { 200: jobSchema },
    },
  });
  app.post<{ Params: z.output<typeof jobParams> }>(
    '/v1/jobs/:id/cancel',
    operation('Cancel a job; 202 when its running handler was asked to stop'),
    async (request, reply) => {
      const result = await cancelJob(context, request.params.id, tenantOf(request));
      if (result.status === 'cancelled') counters.count(result.job.tenant, 'cancelled');
      return reply.code(result.status === 'requested' ? 202 : 200).send(show(request, jobOf(result)));
    },
  );
  app.post<{ Params: z.output<typeof jobParams> }>(
    '/v1/jobs/:id/retry',
    operation('Give a failed or cancelled job a new life'),
    async request => {
      const job = jobOf(await redriveJob(context, request.params.id, tenantOf(request)));
      wake(job.queue, 1);
      return show(request, job);
    },
  );
  app.delete<{ Params: z.output<typeof jobParams>; Querystring: z.output<typeof deleteQuery> }>(
    '/v1/jobs/:id',
    { ...operation('Delete a job that is not running'), schema: deleteSchema },
    async request => {
      const force = request.query.force === 'true';
      return show(request, jobOf(await deleteJob(context, request.params.id, tenantOf(request), force)));
    },
  );
}

const deleteSchema = {
  tags: ['jobs'],
  summary: 'Delete a job that is not running; frees its idempotency key',
  params: jobParams,
  querystring: deleteQuery,
  response: { 200: jobSchema },
};

/** Administrators see the jobs of all tenants. */
function tenantOf(request: ById | FastifyRequest): TenantView {
  const identity = identityOf(request as FastifyRequest);
  return identity.scopes.includes('admin') ? null : identity.tenant;
}

function show(request: ById | FastifyRequest, job: JobDocument): JobView {
  return viewOf(job, mayUse(identityOf(request as FastifyRequest), 'admin'));
}

function jobOf(result: CancelResult | RedriveResult | DeleteResult): JobDocument {
  switch (result.status) {
    case 'not-found':
      throw notFound();
    case 'invalid-state':
      throw new ProblemError('invalid-state', `the job is ${result.currentStatus}: this is not possible now`, {
        extras: { currentStatus: result.currentStatus },
      });
    case 'delivery-due':
      throw new ProblemError('invalid-state', 'a webhook delivery is still due: add ?force=true to drop it');
    default:
      return result.job;
  }
}

function notFound(): ProblemError {
  return new ProblemError('not-found', 'there is no such job');
}
