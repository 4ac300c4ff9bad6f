import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { PROBLEM_MEDIA_TYPE } from '../http/problem.ts';

type ApiDocument = ReturnType<typeof jsonSchemaTransformObject>;

const PROBLEM_ID = 'Problem';

/** Its id alone brings it into the document. */
z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('Says what to do'),
  requestId: z.string(),
  errors: z
    .array(z.object({ pointer: z.string().describe('JSON Pointer'), detail: z.string() }))
    .optional()
    .describe('Of a validation-error'),
}).meta({ id: PROBLEM_ID, description: 'RFC 9457 problem details; `type` ends in the slug that tells problems apart' });

/** Every operation may answer a problem. */
function withProblems(document: ApiDocument): ApiDocument {
  const problem = {
    description: 'A problem',
    content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: `#/components/schemas/${PROBLEM_ID}` } } },
  };
  for (const path of Object.values(document.paths ?? {})) {
    for (const operation of [path?.get, path?.post, path?.delete]) {
      if (operation) operation.responses = { ...operation.responses, default: problem };
    }
  }
  return document;
}

/** `/docs` and `/docs/json`: OpenAPI 3.1 from the routes' own schemas. To be called before any route is registered. */
export async function serveOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'LedgerMQ',
        description: 'Background jobs: MongoDB is the ledger, BullMQ the engine. Errors are RFC 9457 problem details.',
        version: '1',
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: document => withProblems(jsonSchemaTransformObject(document)),
  });
  await app.register(async docs => {
    docs.addHook('onRoute', route => {
      route.config = { ...route.config, access: 'page', isPage: true };
    });
    await docs.register(swaggerUi, { routePrefix: '/docs' });
  });
}
