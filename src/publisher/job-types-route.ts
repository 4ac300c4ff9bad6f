import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { noQuery } from '../http/stats-route.ts';
import type { JobDefinition, JobRegistry } from '../jobs/define-job.ts';
import { RETRY_STRATEGIES } from '../platform/backoff.ts';

const jsonSchema = z.record(z.string(), z.unknown()).describe('JSON Schema, draft 2020-12');

const jobTypeSchema = z.object({
  type: z.string(),
  version: z.int(),
  queue: z.string(),
  maxRetries: z.int(),
  retry: z.object({
    strategy: z.enum(RETRY_STRATEGIES),
    delayMs: z.number(),
    maxDelayMs: z.number().optional(),
    jitter: z.number().optional(),
  }),
  timeoutMs: z.int(),
  payload: jsonSchema,
  result: jsonSchema.nullable(),
});

const jobTypesSchema = z.object({ items: z.array(jobTypeSchema) });

/** `GET /v1/job-types`: what can be submitted, straight from the registry. */
export function serveJobTypes(app: FastifyInstance, registry: JobRegistry, defaults: Config['jobDefaults']): void {
  const items = Object.values(registry).map(definition => describe(definition, defaults));
  app.get(
    '/v1/job-types',
    {
      config: { access: 'read' },
      schema: {
        tags: ['jobs'],
        summary: 'Job types with the schemas of their payloads and results',
        querystring: noQuery,
        response: { 200: jobTypesSchema },
      },
    },
    async () => ({ items }),
  );
}

function describe(definition: JobDefinition, defaults: Config['jobDefaults']): z.output<typeof jobTypeSchema> {
  return {
    type: definition.type,
    version: definition.version,
    queue: definition.queue,
    maxRetries: definition.maxRetries ?? defaults.maxRetries,
    retry: definition.retry ?? defaults.retry,
    timeoutMs: definition.timeoutMs ?? defaults.timeoutMs,
    payload: z.toJSONSchema(definition.payload, { io: 'input', unrepresentable: 'any' }),
    result: definition.result ? z.toJSONSchema(definition.result, { io: 'output', unrepresentable: 'any' }) : null,
  };
}
