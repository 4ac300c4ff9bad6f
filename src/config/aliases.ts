import { ALIASES, type VariableName } from './variables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The main name wins over its alias; where both are set and disagree, that is a problem. */
export function withAliases(environment: Environment, problems: string[]): Environment {
  const given: Record<string, string | undefined> = { ...environment };
  for (const [alias, { name, scale }] of Object.entries(ALIASES)) {
    const text = environment[alias]?.trim();
    if (!text) continue;
    if (scale && !Number.isFinite(Number(text))) {
      problems.push(`${alias}=${text} must be a number`);
      continue;
    }
    const value = scale ? String(Math.round(Number(text) * scale)) : text;
    const main = environment[name]?.trim();
    if (!main) given[name] = value;
    else if (!isSame(main, value)) problems.push(`${alias}=${text} disagrees with ${name}=${main}: keep one of them`);
  }
  applyRedisUrl(given, problems);
  return given;
}

/** REDIS_URL stands for as many variables as it names parts; those it does not name keep their own value or default. */
function applyRedisUrl(given: Record<string, string | undefined>, problems: string[]): void {
  const text = given.REDIS_URL?.trim();
  if (!text) return;
  const parts = redisUrlParts(text);
  if (!parts) {
    problems.push('REDIS_URL must look like redis://[user:password@]host[:port][/db]');
    return;
  }
  for (const [name, value] of Object.entries(parts)) {
    if (value === '') continue;
    const main = given[name]?.trim();
    if (!main) given[name] = value;
    else if (!isSame(main, value)) problems.push(`REDIS_URL disagrees with ${name}: keep one of them`);
  }
}

type RedisUrlVariable = Extract<VariableName, `QUEUE_REDIS_${string}`>;

function redisUrlParts(text: string): Record<RedisUrlVariable, string> | null {
  try {
    const url = new URL(text);
    if (!/^rediss?:$/.test(url.protocol) || url.hostname === '') return null;
    return {
      // An IPv6 address stands in brackets in a URL and without them everywhere else.
      QUEUE_REDIS_HOST: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      QUEUE_REDIS_PORT: url.port,
      QUEUE_REDIS_DB: url.pathname.slice(1),
      QUEUE_REDIS_USERNAME: decodeURIComponent(url.username),
      QUEUE_REDIS_PASSWORD: decodeURIComponent(url.password),
      QUEUE_REDIS_TLS: url.protocol === 'rediss:' ? 'true' : '',
    };
  } catch {
    return null;
  }
}

function isSame(a: string, b: string): boolean {
  return a === b || (a !== '' && Number(a) === Number(b)) || (isTrue(a) && isTrue(b));
}

/** What counts as true in a boolean variable. */
export function isTrue(text: string): boolean {
  return /^(true|1|yes|on)$/i.test(text);
}
