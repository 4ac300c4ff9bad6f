import type { z } from 'zod';

/** One thing that is wrong with an input: an RFC 6901 JSON Pointer to it and a sentence for the caller. */
export interface InputError {
  pointer: string;
  detail: string;
}

/** Most errors that one answer names; a bulk of a thousand wrong items needs no more to be understood. */
export const ERRORS_SHOWN = 50;

type Issue = z.core.$ZodIssue;

/** Turns what a schema found into pointers below `prefix`. Every unknown property gets a pointer of its own. */
export function inputErrorsOf(issues: readonly Issue[], prefix = ''): InputError[] {
  return issues.flatMap(issue => errorsOf(issue, prefix)).slice(0, ERRORS_SHOWN);
}

function errorsOf(issue: Issue, prefix: string): InputError[] {
  const pointer = prefix + pointerTo(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({ pointer: pointer + pointerTo([key]), detail: 'unknown property: leave it out' }));
  }
  if (issue.code === 'invalid_union') {
    const closest = closestBranch(issue.errors);
    if (closest) return closest.flatMap(inner => errorsOf(inner, pointer));
  }
  return [{ pointer, detail: issue.message }];
}

/** The branch of a union that went deepest before it failed: the one that the caller most likely meant. */
function closestBranch(branches: readonly Issue[][]): Issue[] | null {
  const depthOf = (branch: readonly Issue[]): number => Math.max(0, ...branch.map(issue => issue.path.length));
  const deepest = [...branches].sort((a, b) => depthOf(b) - depthOf(a))[0];
  return deepest && depthOf(deepest) > 0 ? deepest : null;
}

export function pointerTo(path: readonly PropertyKey[]): string {
  return path.map(part => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
