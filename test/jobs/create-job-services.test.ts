import { Redis } from 'ioredis';
import type { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { createJobServices } from '../../src/jobs/services/create-job-services.ts';
import { testConfig } from '../helpers/config.ts';
import { useTempDir } from './temp-dir.ts';

const dir = await useTempDir();
const environment = {
  SMTP_URL: 'smtp://127.0.0.1:1',
  FILES_DIR: dir,
  EXPORT_COLLECTIONS: 'a,b',
  WEBHOOK_ALLOW_HOSTS: 'x:1',
};
const config = testConfig({ mongo: { uri: 'mongodb://127.0.0.1:1/x' }, redis: { port: 1 } }, environment);

test('members are made on first use, once, and closed when they were made', async () => {
  const opened: Redis[] = [];
  const db = { databaseName: 'x' } as mongo.Db;
  const redis = () => {
    opened.push(new Redis({ lazyConnect: true }));
    return opened.at(-1)!;
  };
  const { services, close } = createJobServices({ config, db: () => db, redis });
  expect(opened).toHaveLength(0);
  expect(services.redis).toBe(services.redis);
  expect(opened).toHaveLength(1);
  expect(services.mailer).toBe(services.mailer);
  expect(services.mailer.from).toBe(config.smtp.from);
  expect(services.db).toBe(db);
  expect(services.exportCollections).toEqual(['a', 'b']);
  expect(services.outgoing.allowHosts).toEqual(['x:1']);
  expect(await services.files.tenantDir('acme')).toBe(`${dir}/acme`);
  await close();
  expect(opened[0]!.status).toBe('end');
  await expect(services.mailer.transport.sendMail({ to: 'a@example.com' })).rejects.toThrow('closed');
  await close();
});

test('closing makes nothing', async () => {
  const fail = () => {
    throw new Error('made');
  };
  await createJobServices({ config, db: fail, redis: fail }).close();
});
