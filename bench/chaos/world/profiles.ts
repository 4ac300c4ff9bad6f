import { testEnv } from '../../../test/helpers/config.ts';
import type { RoundServers } from './servers.ts';

/** Which times hold: those of a production (its defaults), or the ones of the tests, cut so that a crash heals within seconds. */
export type Profile = 'production' | 'test';

const PRODUCTION_TIMES = {
  LEASE_MS: '7500',
  BEAT_MS: '2500',
  GRACE_MS: '3000',
  SWEEP_MS: '2000',
  QUEUED_LEASE_MS: '10000',
  DRAIN_DEADLINE_MS: '25000',
};

/** The environment of every process of a round. */
export function profileEnv(profile: Profile, servers: RoundServers): Record<string, string> {
  const places = { mongo: { uri: servers.mongoUri }, redis: { port: servers.redisPort } };
  return testEnv(places, { LOG_LEVEL: 'info', ...(profile === 'production' ? PRODUCTION_TIMES : {}) });
}
