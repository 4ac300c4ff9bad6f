import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type ApiKey, SCOPES } from './config.ts';

const apiKeysSchema = z
  .array(
    z
      .strictObject({
        name: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
        key: z.string().min(16).optional(),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/i)
          .optional(),
        tenant: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
        scopes: z.array(z.enum(SCOPES)).min(1),
      })
      .refine(entry => (entry.key === undefined) !== (entry.sha256 === undefined), 'needs exactly one of key, sha256'),
  )
  .refine(keys => new Set(keys.map(entry => entry.name)).size === keys.length, 'names must differ');

/** Reads API_KEYS; what is wrong with it goes to `problems`, without the keys themselves. */
export function parseApiKeys(text: string | null, problems: string[]): ApiKey[] {
  if (text === null) return [];
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    problems.push('API_KEYS is not valid JSON');
    return [];
  }
  const parsed = apiKeysSchema.safeParse(json);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(`API_KEYS at /${issue.path.join('/')}: ${issue.message}`);
    return [];
  }
  return parsed.data.map(({ name, key, sha256, tenant, scopes }) => ({
    name,
    tenant,
    scopes,
    sha256: sha256?.toLowerCase() ?? createHash('sha256').update(key!).digest('hex'),
  }));
}
