import { describe, expect, it } from 'vitest';
import { readServerSettings } from '../../src/config/server-settings.ts';

describe('readServerSettings', () => {
  it('tells what is set from what is only a default', () => {
    expect(readServerSettings({ PATH: '/bin' })).toEqual({
      env: 'development',
      mongoUri: null,
      redis: null,
      prefix: null,
      embedded: { mongo: 'auto', mongodBinary: null },
      path: '/bin',
    });
    const set = readServerSettings({ MONGO_URI: 'mongodb://db', REDIS_URL: 'redis://cache/2', QUEUE_PREFIX: 'mine' });
    expect(set).toMatchObject({ mongoUri: 'mongodb://db', redis: { host: 'cache', db: 2 }, prefix: 'mine' });
    expect(readServerSettings({ QUEUE_REDIS_PORT: '7000' }).redis).toMatchObject({ host: '127.0.0.1', port: 7_000 });
  });

  it('reports problems like any start, and refuses to stand in for a MongoDB in production', () => {
    expect(() => readServerSettings({ LEDGERMQ_MONGO: 'postgres' })).toThrow('LEDGERMQ_MONGO=postgres must be one of');
    expect(() => readServerSettings({ NODE_ENV: 'production' })).toThrow('MONGO_URI is required');
  });
});
