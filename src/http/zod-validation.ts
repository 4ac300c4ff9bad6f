import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { z } from 'zod';
import { inputErrorsOf } from '../pipeline/submit/input-errors.ts';
import { ProblemError } from './problem.ts';

/**
 * Zod schemas judge parameters, queries and bodies; nothing is coerced. Schemas of answers are documentation: a handler builds
 * its answer field by field, and tests hold it against the schema.
 */
export function validateWithZod(app: FastifyInstance): void {
  app.setValidatorCompiler(compileZod);
  app.setSerializerCompiler(() => value => JSON.stringify(value));
}

export const compileZod: FastifySchemaCompiler<unknown> = ({ schema, url, httpPart }) => {
  if (!(schema instanceof z.ZodType)) throw new TypeError(`${url}: the schema of ${httpPart} is not Zod`);
  return value => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return { value: parsed.data };
    return { error: validationError(inputErrorsOf(parsed.error.issues)) };
  };
};

export function validationError(errors: { pointer: string; detail: string }[]): ProblemError {
  return new ProblemError('validation-error', 'see errors: each names the place and what to change', {
    extras: { errors },
  });
}
