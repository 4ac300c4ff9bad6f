import { pointerTo } from '../pipeline/submit/input-errors.ts';
import { ProblemError } from './problem.ts';

const DEEPEST = 32;
const MOST_KEYS = 10_000;

/**
 * Refuses JSON that is too deep or has too many properties, and attempts on prototypes. In what is stored for the caller
 * (`keepsValues`) also property names that MongoDB would read as something else. A list of `jobs` is judged job by job.
 * @throws ProblemError
 */
export function checkJson(value: unknown, keepsValues: boolean): void {
  if (typeof value === 'object' && value !== null && 'jobs' in value && Array.isArray(value.jobs)) {
    const { jobs, ...rest } = value;
    checkUnit(rest, [], keepsValues);
    for (const [index, job] of jobs.entries()) checkUnit(job, ['jobs', index], keepsValues);
  } else {
    checkUnit(value, [], keepsValues);
  }
}

function checkUnit(root: unknown, at: readonly PropertyKey[], keepsValues: boolean): void {
  const path = [...at];
  let keys = 0;
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'number' && !Number.isFinite(value)) throw outOfRange(path);
    if (typeof value !== 'object' || value === null) return;
    if (depth > DEEPEST) {
      throw new ProblemError('payload-too-deep', `nest objects and arrays at most ${DEEPEST} deep`);
    }
    for (const [key, member] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
      path.push(key);
      if (typeof key === 'string') {
        refusePrototype(key, member);
        // The root's own properties are those of the API; its schema judges them.
        if (depth > 0) {
          keys += 1;
          if (keepsValues) refuseKey(key, path);
        }
        if (keys > MOST_KEYS) throw new ProblemError('payload-too-complex', `send at most ${MOST_KEYS} properties`);
      }
      visit(member, depth + 1);
      path.pop();
    }
  };
  visit(root, 0);
}

function refusePrototype(key: string, member: unknown): void {
  if (key === '__proto__' || (key === 'constructor' && hasPrototype(member))) {
    throw new ProblemError('malformed-json', 'the body must not try to change a prototype');
  }
}

function refuseKey(key: string, path: readonly PropertyKey[]): void {
  if (key !== 'constructor' && !key.startsWith('$') && !key.includes('.') && !key.includes('\0')) return;
  const detail = "property names must not be `constructor`, start with $, or contain '.' or NUL";
  throw new ProblemError('forbidden-key', detail, { extras: { pointer: pointerTo(path) } });
}

function hasPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}

function outOfRange(path: readonly PropertyKey[]): ProblemError {
  const errors = [{ pointer: pointerTo(path), detail: 'is too large a number' }];
  return new ProblemError('validation-error', 'A number cannot be represented.', { extras: { errors } });
}
