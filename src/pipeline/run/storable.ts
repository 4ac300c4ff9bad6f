import { messageOf } from '../../platform/errors.ts';

export const RESULT_LIMIT_BYTES = 256 * 1024;
/** BSON nests at most 100 levels; the document itself uses a few. */
const DEEPEST = 90;

export type Storable = { ok: true; value: unknown } | { ok: false; reason: string };

/**
 * What of a handler's result can be stored: its JSON form, or the reason why there is none. BSON would store a BigInt
 * silently, and one cycle would stop a whole group in the client.
 */
export function toStorable(result: unknown): Storable {
  if (result === undefined) return { ok: true, value: undefined };
  let json: string | undefined;
  try {
    json = JSON.stringify(result);
  } catch (error) {
    return { ok: false, reason: `the result has no JSON form: ${messageOf(error).slice(0, 300)}` };
  }
  if (json === undefined) return { ok: false, reason: `the result has no JSON form: it is a ${typeof result}` };
  const bytes = Buffer.byteLength(json);
  if (bytes > RESULT_LIMIT_BYTES) {
    return { ok: false, reason: `the result has ${bytes} bytes of JSON, ${RESULT_LIMIT_BYTES} are allowed` };
  }
  const value: unknown = JSON.parse(json);
  const problem = findProblem(value, 0);
  return problem ? { ok: false, reason: problem } : { ok: true, value };
}

function findProblem(value: unknown, depth: number): string | null {
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= DEEPEST) return `the result is nested deeper than ${DEEPEST} levels`;
  for (const [key, inner] of Object.entries(value)) {
    if (key.includes('\0') || key.startsWith('$')) return `the result has the key ${JSON.stringify(key.slice(0, 40))}`;
    const problem = findProblem(inner, depth + 1);
    if (problem) return problem;
  }
  return null;
}
