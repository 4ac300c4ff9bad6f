import type { InputError } from '../pipeline/submit/input-errors.ts';

/** Every problem type of the HTTP API: status and title. */
const PROBLEMS = {
  'bad-request': [400, 'The request cannot be understood'],
  'bad-url': [400, 'The URL is malformed'],
  'forbidden-key': [400, 'A property name is not allowed'],
  'invalid-idempotency-key': [400, 'The idempotency key is malformed'],
  'malformed-json': [400, 'The body is not acceptable JSON'],
  'payload-too-complex': [400, 'The body has too many properties'],
  'payload-too-deep': [400, 'The body is nested too deeply'],
  'validation-error': [400, 'The request does not have the expected shape'],
  unauthorized: [401, 'A valid key is needed'],
  'cross-site-request': [403, 'Requests from other sites are refused'],
  'insufficient-scope': [403, 'The key may not do this'],
  'not-found': [404, 'Nothing is here'],
  'method-not-allowed': [405, 'This path does not know this method'],
  'request-timeout': [408, 'The request took too long to arrive'],
  'invalid-state': [409, 'The job is in another state'],
  'payload-too-large': [413, 'The body is too large'],
  'unsupported-content-encoding': [415, 'The content encoding is not supported'],
  'unsupported-media-type': [415, 'The media type is not supported'],
  'idempotency-key-reused': [422, 'The idempotency key was used with another body'],
  'run-at-out-of-range': [422, 'The time is out of range'],
  'unknown-job-type': [422, 'There is no such job type'],
  'unknown-queue': [422, 'There is no such queue'],
  'rate-limited': [429, 'Too many requests'],
  'headers-too-large': [431, 'The headers are too large'],
  'internal-error': [500, 'Something went wrong'],
  'not-ready': [503, 'Not ready'],
  'engine-unavailable': [503, 'Redis does not answer'],
  'storage-unavailable': [503, 'The ledger does not answer'],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ProblemSlug = keyof typeof PROBLEMS;

export interface ProblemExtras {
  errors?: InputError[];
  pointer?: string;
  currentStatus?: string;
  reasons?: readonly string[];
}

/** RFC 9457 problem details as they are sent. */
export interface Problem extends ProblemExtras {
  type: string;
  title: string;
  status: number;
  detail: string;
  requestId: string;
}

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** Thrown anywhere below a route: becomes the answer. `headers` are added to it. */
export class ProblemError extends Error {
  readonly status: number;
  readonly slug: string;
  readonly title: string;
  readonly extras: ProblemExtras;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    slug: ProblemSlug,
    detail: string,
    options: { extras?: ProblemExtras; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = 'ProblemError';
    this.slug = slug;
    [this.status, this.title] = PROBLEMS[slug];
    this.extras = options.extras ?? {};
    this.headers = options.headers ?? {};
  }
}

/** A value that a rule refuses, one of the API or of a job type: 422 with the slug of that rule. */
export class RefusedValueProblem extends ProblemError {
  override readonly slug: string;
  override readonly status = 422;
  override readonly title: string;

  constructor(slug: string, detail: string, pointer: string) {
    super('validation-error', detail, { extras: { pointer } });
    this.slug = slug;
    this.title = isProblemSlug(slug) ? PROBLEMS[slug][1] : 'A rule refuses this value';
  }
}

function isProblemSlug(slug: string): slug is ProblemSlug {
  return Object.hasOwn(PROBLEMS, slug);
}

export function problemOf(error: ProblemError, requestId: string): Problem {
  return {
    type: `urn:ledgermq:problem:${error.slug}`,
    title: error.title,
    status: error.status,
    detail: error.message,
    requestId,
    ...error.extras,
  };
}
