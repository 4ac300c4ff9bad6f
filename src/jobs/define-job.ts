import type { z } from 'zod';
import type { RetryPolicy } from '../platform/backoff.ts';
import { RefusedError } from '../platform/errors.ts';
import type { JobContext } from './job-context.ts';
import { TaskError } from './task-error.ts';

/** What every definition has in common, with the payload's type forgotten: what the registry holds and the runner calls. */
export interface JobDefinition {
  readonly type: string;
  readonly version: number;
  /** The lane; `default` when the definition says nothing. */
  readonly queue: string;
  readonly payload: z.ZodType;
  readonly result: z.ZodType | undefined;
  readonly maxRetries: number | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly timeoutMs: number | undefined;
  /** Runs every job of the type in a child process of its own. */
  readonly isolate: boolean;
  /**
   * A rule about values (paths, URLs), checked at submit BEFORE the payload's shape: what leads outside is a 422 whatever
   * else is wrong with it. So it gets any JSON at all, must not fail on it, and says nothing about what it does not know.
   * @throws RefusedError (HTTP 422) whose pointer is relative to the payload: `/path`, `/urls/3`.
   */
  readonly refuse: ((payload: unknown) => void) | undefined;
  /**
   * Checks the payload's rules and shape again (anyone may insert a job into the ledger), then calls the handler.
   * @throws TaskError (no retry), named `validation-error` or as the rule's slug, when the payload does not fit.
   */
  run(payload: unknown, ctx: JobContext): Promise<unknown>;
}

export interface JobOptions<Type extends string, Payload extends z.ZodType, Result> {
  /** `area:verb`, for example `email:send`. */
  type: Type;
  version?: number;
  queue?: string;
  payload: Payload;
  result?: z.ZodType<Result>;
  maxRetries?: number;
  retry?: RetryPolicy;
  timeoutMs?: number;
  isolate?: boolean;
  /** See JobDefinition: called with the payload as it came, before the schema. */
  refuse?: (payload: unknown) => void;
  run(payload: z.output<Payload>, ctx: JobContext): Promise<Result>;
}

/** A definition that still knows its payload: the payload of a submit is checked by the compiler against it. */
export interface TypedJobDefinition<Type extends string, Payload extends z.ZodType, Result> extends JobDefinition {
  readonly type: Type;
  readonly payload: Payload;
  /** Only a type: what the handler answers. Never set. */
  readonly Result?: Result;
}

const TYPE = /^[a-z][a-z0-9-]*(:[a-z0-9-]+)+$/;

/** Describes a job type: its name, the shape of its payload, how it is retried, and its handler. */
export function defineJob<const Type extends string, Payload extends z.ZodType, Result>(
  options: JobOptions<Type, Payload, Result>,
): TypedJobDefinition<Type, Payload, Result> {
  if (!TYPE.test(options.type))
    throw new TypeError(`job type ${JSON.stringify(options.type)} must look like area:verb`);
  return Object.freeze({
    type: options.type,
    version: options.version ?? 1,
    queue: options.queue ?? 'default',
    payload: options.payload,
    result: options.result,
    maxRetries: options.maxRetries,
    retry: options.retry,
    timeoutMs: options.timeoutMs,
    isolate: options.isolate ?? false,
    refuse: options.refuse,
    run: async (payload: unknown, ctx: JobContext): Promise<unknown> =>
      options.run(checkPayload(options, payload), ctx),
  });
}

/** The checks of the submit, for a job that came another way. No value of the payload enters the message. */
function checkPayload<Payload extends z.ZodType>(
  options: { payload: Payload; refuse?: (payload: unknown) => void },
  payload: unknown,
): z.output<Payload> {
  try {
    options.refuse?.(payload);
  } catch (error) {
    if (error instanceof RefusedError) throw refusedForGood(error.code, `${error.pointer ?? ''}: ${error.message}`);
    throw error;
  }
  const parsed = options.payload.safeParse(payload);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 5).map(issue => `/${issue.path.join('/')}: ${issue.message}`);
  throw refusedForGood('validation-error', `the payload does not fit its type: ${problems.join('; ')}`);
}

function refusedForGood(name: string, message: string): TaskError {
  const error = new TaskError(message, { retry: false });
  error.name = name;
  return error;
}

/** The typed registry: job type → definition. Frozen, without a prototype; look up with `Object.hasOwn` (`findJob`). */
export type JobRegistry = Readonly<Record<string, JobDefinition>>;

/** Builds a registry. @throws TypeError when two definitions share a type. */
export function createRegistry<const Definitions extends readonly JobDefinition[]>(
  definitions: Definitions,
): JobRegistry & { readonly [D in Definitions[number] as D['type']]: D } {
  const registry: Record<string, JobDefinition> = Object.create(null);
  for (const definition of definitions) {
    if (Object.hasOwn(registry, definition.type)) throw new TypeError(`job type ${definition.type} is defined twice`);
    registry[definition.type] = definition;
  }
  return Object.freeze(registry) as JobRegistry & { readonly [D in Definitions[number] as D['type']]: D };
}

/** The definitions of a registry by their literal names, without the index signature. */
type Definitions<Registry> = {
  [Type in keyof Registry as string extends Type ? never : Type & string]: Registry[Type];
};

/** The job types that a registry names. */
export type JobType<Registry> = keyof Definitions<Registry>;

/** What a caller submits as payload of a type; fields with a default are optional. */
export type PayloadOf<Registry, Type extends JobType<Registry>> =
  Registry[Type] extends TypedJobDefinition<string, infer Payload, unknown> ? z.input<Payload> : never;

/** What the handler of a type answers. */
export type ResultOf<Registry, Type extends JobType<Registry>> =
  Registry[Type] extends TypedJobDefinition<string, z.ZodType, infer Result> ? Result : never;

/** A job to submit, for typed clients: a union over all types of the registry, told apart by `type`. */
export type Submission<Registry> = {
  [Type in JobType<Registry>]: {
    type: Type;
    payload: PayloadOf<Registry, Type>;
    queue?: string;
    /** 0–10, 5 by default; larger first. */
    priority?: number;
    /** ISO 8601; at most one of `runAt` and `delayMs`. */
    runAt?: string;
    delayMs?: number;
    maxRetries?: number;
    retry?: RetryPolicy;
    timeoutMs?: number;
    startByMs?: number;
    tags?: string[];
    metadata?: Record<string, unknown>;
  };
}[JobType<Registry>];

export function findJob(registry: JobRegistry, type: string): JobDefinition | null {
  return Object.hasOwn(registry, type) ? registry[type]! : null;
}

/** Every lane that the registry or the configuration names, `default` first. */
export function lanesOf(registry: JobRegistry, configured: readonly string[]): string[] {
  return [...new Set(['default', ...Object.values(registry).map(definition => definition.queue), ...configured])];
}
