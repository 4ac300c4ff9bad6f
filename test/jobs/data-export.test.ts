import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mongo } from 'mongoose';
import { beforeAll, describe, expect, test } from 'vitest';
import { TenantFiles } from '../../src/jobs/services/tenant-files.ts';
import { useDatabase } from '../helpers/fixtures.ts';
import { handlerContext, handlerOf, hexId } from './handler-context.ts';
import { useTempDir } from './temp-dir.ts';

const root = await useTempDir();
const files = new TenantFiles(root);
const dir = await files.tenantDir('acme');
const run = handlerOf('data:export');
const content = (name: string) => readFile(path.join(dir, name), 'utf8');

describe('given rows', () => {
  test('are written into a new file that is described exactly', async () => {
    const result = await run(
      { format: 'csv', rows: [['=1+1', 'ok']], filename: 'rows.csv' },
      handlerContext({ files }),
    );
    const text = await content('rows.csv');
    expect(text).toBe(`"'=1+1",ok\r\n`);
    expect(result).toEqual({
      path: 'rows.csv',
      rows: 1,
      bytes: text.length,
      sha256: createHash('sha256').update(text).digest('hex'),
    });
  });

  test('go into a file named after the job when no name is given; a re-run writes it again', async () => {
    const rows = [{ a: 1 }, { b: 'ü' }];
    for (const runKey of [hexId(1), hexId(2)]) {
      const ctx = handlerContext({ files }, { jobId: hexId(500), runKey });
      expect(await run({ format: 'ndjson', rows }, ctx)).toMatchObject({
        path: `export-${hexId(500)}.ndjson`,
        rows: 2,
      });
    }
    expect(await content(`export-${hexId(500)}.ndjson`)).toBe('{"a":1}\n{"b":"ü"}\n');
  });

  test('never replace a file that is there', async () => {
    await writeFile(path.join(dir, 'taken.csv'), 'precious');
    const job = run({ format: 'csv', rows: [['a']], filename: 'taken.csv' }, handlerContext({ files }));
    await expect(job).rejects.toMatchObject({ message: /exists already/, retry: false });
    expect(await content('taken.csv')).toBe('precious');
  });

  test('an abort leaves no file', async () => {
    const ctx = handlerContext({ files });
    const reason = new Error('cancel');
    ctx.abort(reason);
    await expect(run({ format: 'csv', rows: [['a']], filename: 'never.csv' }, ctx)).rejects.toBe(reason);
    const names = await readdir(dir, { recursive: true });
    expect(names.filter(name => name === 'never.csv' || name.endsWith('.tmp'))).toEqual([]);
  });
});

test.each<[string, readonly string[]]>([
  ['orders', []],
  ['orders', ['customers']],
  ['constructor', ['customers']],
])('collection %s with the allow-list %j is refused for good', async (collection, exportCollections) => {
  const job = run({ format: 'csv', collection }, handlerContext({ files, exportCollections }));
  await expect(job).rejects.toMatchObject({ message: /allow-list/, retry: false });
});

test('jobs are never exported, even when they are on the allow-list', async () => {
  const job = run({ format: 'csv', collection: 'jobs' }, handlerContext({ files, exportCollections: ['jobs'] }));
  await expect(job).rejects.toMatchObject({ name: 'validation-error', retry: false });
});

// 'none': the servers were not asked for, as in `npm run check:tree` (test/helpers/global-setup.ts).
describe.skipIf(process.env.TEST_MONGO_URI === 'none')('a collection', async () => {
  const database = process.env.TEST_MONGO_URI === 'none' ? null : await useDatabase();
  const context = (overrides: object = {}) =>
    handlerContext({ files, db: database!.db, exportCollections: ['orders', 'many'] }, overrides);
  const id = new mongo.ObjectId();

  beforeAll(async () => {
    await database!.db.collection('orders').insertMany([
      { _id: id, tenant: 'acme', state: 'open', total: 5, at: new Date(0), who: { name: 'Ann', tags: ['x'] } },
      { tenant: 'acme', state: 'closed', note: '=evil' },
      { tenant: 'other', state: 'open', total: 99 },
      { state: 'open', total: 7 },
    ]);
  });

  test('gives the tenant its own documents and those of nobody', async () => {
    const result = await run({ format: 'ndjson', collection: 'orders', fields: ['state', 'total'] }, context());
    expect(result).toMatchObject({ rows: 3 });
    expect((await content((result as { path: string }).path)).split('\n').sort()).toEqual([
      '',
      '{"state":"closed","total":null}',
      '{"state":"open","total":5}',
      '{"state":"open","total":7}',
    ]);
  });

  test('is filtered by equality, and the filter cannot reach another tenant', async () => {
    const own = await run({ format: 'csv', collection: 'orders', filter: { state: 'open', total: 5 } }, context());
    expect(own).toMatchObject({ rows: 1 });
    const text = await content((own as { path: string }).path);
    expect(text).toBe(
      `_id,tenant,state,total,at,who\r\n${id.toHexString()},acme,open,5,1970-01-01T00:00:00.000Z,"{""name"":""Ann"",""tags"":[""x""]}"\r\n`,
    );
    expect(await run({ format: 'csv', collection: 'orders', filter: { tenant: 'other' } }, context())).toMatchObject({
      rows: 0,
    });
  });

  test('writes fields inside documents, a field beside its part', async () => {
    const order = {
      format: 'csv',
      collection: 'orders',
      filter: { total: 5 },
      fields: ['who.name', 'who.tags', 'who'],
    };
    const { path: name } = (await run(order, context())) as { path: string };
    expect(await content(name)).toBe(
      'who.name,who.tags,who\r\nAnn,"[""x""]","{""name"":""Ann"",""tags"":[""x""]}"\r\n',
    );
  });

  test('comes through whole, over many batches', async () => {
    const many = Array.from({ length: 2_500 }, (_, n) => ({ tenant: 'acme', n }));
    await database!.db.collection('many').insertMany(many);
    const { path: name } = (await run({ format: 'csv', collection: 'many', fields: ['n'] }, context())) as {
      path: string;
    };
    const numbers = (await content(name)).trim().split('\r\n').slice(1).map(Number);
    expect(new Set(numbers).size).toBe(2_500);
  });
});
