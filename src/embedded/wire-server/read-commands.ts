import { CommandError, fail } from '../documents/errors.ts';
import { splitPath, visit } from '../documents/paths.ts';
import { compileProjection } from '../documents/project.ts';
import { asNumber, type Doc, doc, type Value } from '../documents/value.ts';
import { keyOf } from '../documents/value-keys.ts';
import { aggregateCommand } from './aggregate.ts';
import type { Commands, Context } from './context.ts';
import { cursorReply, sourceOf } from './cursors.ts';
import { explain } from './explain.ts';
import { countQuery, findQuery, queryOf } from './query.ts';

async function find(context: Context): Promise<Doc> {
  const { args, db } = context;
  const source = sourceOf(findQuery(context), compileProjection(args.doc('projection')));
  return cursorReply(context, `${db}.${args.collection()}`, source);
}

async function getMore(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  const id = args.get('getMore');
  if (typeof id !== 'bigint') return fail(14, "BSON field 'getMore.getMore' is the wrong type, expected type 'long'");
  const ns = `${db}.${args.string('collection')}`;
  const cursor = services.cursors.take(id, ns, context);
  const { source } = cursor;
  context.streams = source.waits;
  try {
    const code = asNumber(services.failPoints.fire('failGetMoreAfterCursorCheckout')?.get('errorCode'));
    if (code !== undefined)
      throw new CommandError(code, "Failing getMore via 'failGetMoreAfterCursorCheckout' failpoint");
    if (args.get('maxTimeMS') !== undefined && !source.waits)
      fail(2, 'cannot set maxTimeMS on getMore command for a non-awaitData cursor');
    const nextBatch = await source.next(args.count('batchSize'), context, args.count('maxTimeMS', 1000));
    return doc({ cursor: { nextBatch, postBatchResumeToken: source.resumeToken, id: source.done ? 0n : id, ns } });
  } finally {
    services.cursors.release(cursor);
  }
}

function killCursors({ args, db, services }: Context): Doc {
  const ns = `${db}.${args.collection()}`;
  const ids = args.get('cursors');
  if (!Array.isArray(ids)) return args.missing('cursors');
  const killed: Value[] = [];
  const missing: Value[] = [];
  for (const id of ids) (typeof id === 'bigint' && services.cursors.kill(id, ns) ? killed : missing).push(id);
  return doc({ cursorsKilled: killed, cursorsNotFound: missing, cursorsAlive: [], cursorsUnknown: [] });
}

async function count(context: Context): Promise<Doc> {
  const { args } = context;
  const query = countQuery(context);
  if (!args.optionalDoc('query')?.first && !args.get('skip') && !args.get('limit'))
    return doc({ n: query.collection?.records.size ?? 0 });
  await query.each(() => true);
  return doc({ n: query.returned });
}

async function distinct(context: Context): Promise<Doc> {
  const key = context.args.string('key');
  const found = new Map<string, Value>();
  await queryOf(context).each(match => {
    visit(match.doc, splitPath(key), value => {
      for (const item of Array.isArray(value) ? value : [value])
        if (item !== undefined && !found.has(keyOf(item))) found.set(keyOf(item), item);
      return false;
    });
    return true;
  });
  return doc({ values: [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value) });
}

export const readCommands: Commands = {
  find: {
    fields: `filter projection sort skip limit batchSize singleBatch hint collation noCursorTimeout allowDiskUse
      allowPartialResults min max`,
    refused: 'let tailable awaitData returnKey showRecordId oplogReplay',
    inTransaction: true,
    run: find,
  },
  getMore: { fields: 'collection batchSize', inTransaction: true, run: getMore },
  killCursors: { fields: 'cursors', inTransaction: true, run: killCursors },
  count: { fields: 'query limit skip hint collation fields', run: count },
  distinct: { fields: 'key query hint collation', inTransaction: true, run: distinct },
  aggregate: {
    fields: 'pipeline cursor allowDiskUse hint collation bypassDocumentValidation',
    refused: 'explain let',
    inTransaction: true,
    run: aggregateCommand,
  },
  explain: { fields: 'verbosity', run: explain },
};
