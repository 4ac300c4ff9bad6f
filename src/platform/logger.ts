import { destination, type Logger, pino } from 'pino';

export type { Logger };

/**
 * One JSON line an entry, on standard output. Callers name their `component` with `logger.child`; payloads, keys and
 * Authorization headers never enter a line.
 */
export function createLogger(options: { level: string; name: string }): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: ['req.headers.authorization', 'authorization', 'password'], censor: '[redacted]' },
    },
    destination({ dest: 1, sync: false, minLength: 0 }),
  );
}
