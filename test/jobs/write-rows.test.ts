import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Row } from '../../src/jobs/services/encode-rows.ts';
import { type WriteRowsOptions, writeRows } from '../../src/jobs/services/write-rows.ts';

async function written(rows: Row[], options: Partial<WriteRowsOptions> = {}): Promise<string> {
  const chunks: Uint8Array[] = [];
  const file = { write: async (chunk: Uint8Array) => void chunks.push(chunk) };
  const signal = new AbortController().signal;
  await writeRows(file, {
    source: () => rows,
    format: 'csv',
    fields: null,
    signal,
    progress: () => undefined,
    ...options,
  });
  return Buffer.concat(chunks).toString();
}

describe('CSV', () => {
  test('every text that starts like a formula gets a quote mark in front and is quoted', async () => {
    const cells = ["=cmd|'/c calc'!A1", '+1', '-1', '@SUM(1)', '\t=1', '\r=1', '\n=1', '＝1', 'ok', 'a=b'];
    expect(await written([cells])).toBe(
      `"'=cmd|'/c calc'!A1","'+1","'-1","'@SUM(1)","'\t=1","'\r=1","'\n=1","'＝1",ok,a=b\r\n`,
    );
  });

  test('numbers stay numbers, nothing stays nothing, the rest is quoted as RFC 4180 says', async () => {
    expect(await written([[-1, 1.5, true, null, '', 'a,b', 'say "x"', 'two\nlines', ' x', 10n]])).toBe(
      '-1,1.5,true,,,"a,b","say ""x""","two\nlines"," x",10\r\n',
    );
  });

  test('names of columns are neutralised too', async () => {
    expect(await written([{ '=x': 1 }])).toBe(`"'=x"\r\n1\r\n`);
  });

  test('documents become columns: all fields that occur, in order of appearance', async () => {
    const rows = [
      { a: 1, b: 'x' },
      { c: new Date(0), a: 2 },
      { b: { deep: [1] }, d: { toJSON: () => '=hex' } },
    ];
    expect(await written(rows)).toBe(
      `a,b,c,d\r\n1,x,,\r\n2,,1970-01-01T00:00:00.000Z,\r\n,"{""deep"":[1]}",,"'=hex"\r\n`,
    );
  });

  test('fields choose and order, also inside documents; what is inherited does not count', async () => {
    const rows = [{ a: 1, b: { c: 2 } }, { b: null }];
    expect(await written(rows, { fields: ['b.c', 'a', 'constructor'] })).toBe('b.c,a,constructor\r\n2,1,\r\n,,\r\n');
    expect(await written([[1, 2]], { fields: ['x', 'y'] })).toBe('x,y\r\n1,2\r\n');
  });

  test('too many columns are refused', async () => {
    const wide = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`f${index}`, 1]));
    await expect(written([wide])).rejects.toMatchObject({ retry: false });
  });
});

test('NDJSON: one JSON text a line', async () => {
  const rows: Row[] = [{ a: '=1', b: 1n, c: { d: '\n' } }, [1, 'x']];
  expect(await written(rows, { format: 'ndjson' })).toBe('{"a":"=1","b":"1","c":{"d":"\\n"}}\n[1,"x"]\n');
  expect(await written(rows, { format: 'ndjson', fields: ['a', 'b'] })).toBe('{"a":"=1","b":"1"}\n{"a":1,"b":"x"}\n');
});

const ROWS = 200_000;

function* manyRows(onRow: (index: number) => void): Generator<Row> {
  for (let index = 0; index < ROWS; index += 1) {
    onRow(index);
    yield { id: index, name: `customer ${index}`, note: 'x'.repeat(100), at: new Date(index) };
  }
}

test.each(['csv', 'ndjson'] as const)('%s: memory stays flat while many rows go through', async format => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const samples: number[] = [];
  const sample = (index: number) => {
    if (index % 60_000 !== 20_000) return;
    gc();
    const { heapUsed, external } = process.memoryUsage();
    samples.push((heapUsed + external) / 1024 ** 2);
  };
  let bytes = 0;
  const file = {
    write: async (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
    },
  };
  const reports: number[] = [];
  const rows = await writeRows(file, {
    source: () => manyRows(sample),
    format,
    fields: ['id', 'name', 'note', 'at'],
    signal: new AbortController().signal,
    progress: done => reports.push(done),
  });
  expect(rows).toBe(ROWS);
  expect(bytes).toBeGreaterThan(25 * 1024 ** 2);
  expect(reports.at(-1)).toBe(ROWS);
  expect(samples.length).toBeGreaterThanOrEqual(3);
  expect(Math.max(...samples) - samples[0]!).toBeLessThan(4);
});

let done: Promise<number>;

test('no row is read while the disk is busy: at most one chunk is ahead', async () => {
  let read = 0;
  const source = () =>
    manyRows(() => {
      read += 1;
    });
  const busy: { release: () => void } = await new Promise(settle => {
    const write = () => new Promise<void>(release => settle({ release }));
    const signal = AbortSignal.abort(new Error('enough'));
    const options = { source, format: 'ndjson', fields: null, signal, progress: () => undefined } as const;
    done = writeRows({ write }, options);
  });
  const before = read;
  for (let turn = 0; turn < 10; turn += 1) await new Promise(resolve => setImmediate(resolve));
  expect(read).toBe(before);
  expect(read).toBeLessThan(1_000);
  busy.release();
  await expect(done).rejects.toThrow('enough');
});

test('an abort is noticed although rows never wait', async () => {
  const controller = new AbortController();
  const reason = new Error('timeout');
  setImmediate(() => controller.abort(reason));
  let read = 0;
  const source = () =>
    manyRows(() => {
      read += 1;
    });
  const file = { write: async () => undefined };
  const done = writeRows(file, {
    source,
    format: 'csv',
    fields: null,
    signal: controller.signal,
    progress: () => undefined,
  });
  await expect(done).rejects.toBe(reason);
  expect(read).toBeLessThan(ROWS);
});
