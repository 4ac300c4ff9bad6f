import { parseArgs } from 'node:util';
import { messageOf } from '../platform/errors.ts';

/** What `ledgermq verify` was asked for. */
export interface VerifyRequest {
  json: boolean;
  /** At most so many jobs, the newest; Infinity: all. */
  limit: number;
  /** Only jobs that were made in the last so many milliseconds, or since a time (ms since 1970). */
  since: { agoMs: number } | { at: number } | null;
  /** Jobs a second. */
  rate: number;
}

const DEFAULT_RATE = 5_000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The request, or in words what is wrong with it. */
export function parseVerifyOptions(args: readonly string[]): VerifyRequest | string {
  const parsed = parse(args);
  if (typeof parsed === 'string') return parsed;
  const limit = parsed.limit === undefined ? Number.POSITIVE_INFINITY : positive(parsed.limit);
  const rate = parsed.rate === undefined ? DEFAULT_RATE : positive(parsed.rate);
  const since = parsed.since === undefined ? null : parseSince(parsed.since);
  if (limit === null) return `--limit ${parsed.limit} must be a whole number from 1`;
  if (rate === null) return `--rate ${parsed.rate} must be a whole number from 1`;
  if (since === undefined) return `--since ${parsed.since} must be like 90s, 30m, 24h or 7d, or an ISO 8601 time`;
  return { json: parsed.json ?? false, limit, since, rate };
}

interface Given {
  json?: boolean;
  limit?: string;
  since?: string;
  rate?: string;
}

function parse(args: readonly string[]): Given | string {
  try {
    const options = {
      json: { type: 'boolean' },
      limit: { type: 'string' },
      since: { type: 'string' },
      rate: { type: 'string' },
    } as const;
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    return messageOf(error);
  }
}

function positive(text: string): number | null {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}

const DURATION = /^([1-9]\d{0,5})([smhd])$/;
const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

function parseSince(text: string): VerifyRequest['since'] | undefined {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  if (amount && unit) return { agoMs: Number(amount) * UNITS[unit]! };
  const at = ISO_DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : { at };
}
