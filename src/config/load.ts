import { readFileSync } from 'node:fs';
import { ConfigError } from '../platform/errors.ts';
import { type Environment, isTrue, withAliases } from './aliases.ts';
import { assemble, type Value } from './assemble.ts';
import type { Config } from './config.ts';
import { VARIABLES, type Variable, type VariableName } from './variables.ts';

/**
 * Reads the environment into a frozen Config.
 * @throws ConfigError that lists every problem at once.
 */
export function loadConfig(environment: Environment): Config {
  const problems: string[] = [];
  const given = withAliases(environment, problems);
  const values = {} as Record<VariableName, Value>;
  for (const [name, variable] of Object.entries(VARIABLES) as [VariableName, Variable][]) {
    values[name] = parse(name, variable, readRaw(name, variable, given, problems), problems);
  }
  const config = assemble(values, given, problems);
  problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(config);
}

/** A secret may come from the file that `<NAME>_FILE` names. */
function readRaw(name: string, variable: Variable, given: Environment, problems: string[]): string | undefined {
  const direct = given[name]?.trim() || undefined;
  const file = given[`${name}_FILE`]?.trim();
  if (!file || variable.kind !== 'text' || !variable.secret) return direct;
  if (direct) {
    problems.push(`${name} and ${name}_FILE are both set: keep one of them`);
    return direct;
  }
  const text = readSecret(file);
  if (!text) problems.push(`${name}_FILE names a file that ${text === '' ? 'is empty' : 'cannot be read'}`);
  return text || undefined;
}

function readSecret(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}

function parse(name: string, variable: Variable, raw: string | undefined, problems: string[]): Value {
  if (raw === undefined) return variable.default;
  switch (variable.kind) {
    case 'integer': {
      const number = Number(raw);
      if (Number.isInteger(number) && number >= variable.min && number <= variable.max) return number;
      problems.push(`${name}=${raw} must be a whole number from ${variable.min} to ${variable.max}`);
      return variable.default;
    }
    case 'boolean':
      if (isTrue(raw)) return true;
      if (/^(false|0|no|off)$/i.test(raw)) return false;
      problems.push(`${name}=${raw} must be true or false`);
      return variable.default;
    case 'choice':
      if (variable.values.includes(raw)) return raw;
      problems.push(`${name}=${raw} must be one of ${variable.values.join(', ')}`);
      return variable.default;
    case 'text':
      if (!variable.pattern || variable.pattern.test(raw)) return raw;
      problems.push(`${name} ${variable.hint ?? 'is not well formed'}`);
      return variable.default;
  }
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|::1)$/;
const LANE = /^[a-z0-9][a-z0-9_-]{0,63}$/i;

/** Rules between variables, after each has been read by itself. */
function contradictions(config: Config): string[] {
  const problems: string[] = [];
  const { lease, access, http } = config;
  if (lease.beatMs * 3 > lease.leaseMs) problems.push('BEAT_MS must be at most a third of LEASE_MS');
  if (config.files.exportCollections.includes('jobs')) problems.push('EXPORT_COLLECTIONS must not name jobs');
  for (const lane of config.queue.lanes) {
    if (!LANE.test(lane)) problems.push(`QUEUES: ${JSON.stringify(lane)} is no lane name (letters, digits, _ and -)`);
  }
  if (access.board && access.board.password.length < 8) problems.push('BOARD_PASSWORD must have at least 8 characters');
  if (access.keys.length === 0 && config.role === 'publisher') {
    if (config.env === 'production') problems.push('API_KEYS (or API_KEYS_FILE) is required when NODE_ENV=production');
    else if (!LOOPBACK.test(http.host))
      problems.push(`HOST=${http.host} is not loopback: without API_KEYS only loopback is served`);
  }
  return problems;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
