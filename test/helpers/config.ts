import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { VariableName } from '../../src/config/variables.ts';

export type TestEnvironment = Partial<Record<VariableName, string>>;

/** The test profile: the production times, cut so that a crash heals within seconds. Ports are free ones. */
const TEST_PROFILE = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  HOST: '127.0.0.1',
  PORT: '0',
  HEALTH_PORT: '0',
  LEASE_MS: '2000',
  BEAT_MS: '600',
  GRACE_MS: '800',
  SWEEP_MS: '400',
  QUEUED_LEASE_MS: '2000',
  DRAIN_DEADLINE_MS: '3000',
  RATE_LIMIT_PER_SECOND: '0',
} as const satisfies TestEnvironment;

export interface TestServers {
  /** From freshDatabase() or startOwnMongo(). */
  mongo: { uri: string };
  /** From startRedis(), or a TcpProxy before it. */
  redis: { port: number };
}

/** An environment record in the test profile, for child processes. Later arguments win. */
export function testEnv(servers: TestServers, overrides: TestEnvironment = {}): Record<string, string> {
  return {
    ...TEST_PROFILE,
    MONGO_URI: servers.mongo.uri,
    QUEUE_REDIS_HOST: '127.0.0.1',
    QUEUE_REDIS_PORT: String(servers.redis.port),
    ...overrides,
  };
}

/** The same as a frozen Config, for what runs inside the test. */
export function testConfig(servers: TestServers, overrides: TestEnvironment = {}): Config {
  return loadConfig(testEnv(servers, overrides));
}
