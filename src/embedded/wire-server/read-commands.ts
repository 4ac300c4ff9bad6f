import { aggregateCommand } from './aggregate.ts';
import { type Arguments, words } from './arguments.ts';
import { type Commands, type Context, collectionOf, deadlineOf, variablesOf } from './context.ts';
import type { CursorSource } from './cursors.ts';
import { CommandError, fail } from './errors.ts';
import { explain } from './explain.ts';
import { labelStreamError } from './labels.ts';
import { MAX_BATCH_BYTES } from './list-source.ts';
import { compileFilter, conjunction, type Node } from './match.ts';
import { valuesAt } from './paths.ts';
import { compileProjection, type Projection } from './project.ts';
import { type Match, Query } from './query.ts';
import { compileSort } from './sort.ts';
import { asNumber, Doc, doc, type Value } from './value.ts';
import { keyOf } from './value-order.ts';
import { checkCollation } from './write-commands.ts';

const FIRST_BATCH = 101;

/** The documents of a running query, batch by batch. */
export class QuerySource implements CursorSource {
  readonly query: Query;
  readonly #project: Projection | undefined;
  /** Fetched, but no longer fitting into the last batch. */
  #ahead: Match | undefined;

  constructor(query: Query, project: Projection | undefined) {
    this.query = query;
    this.#project = project;
  }

  get done(): boolean {
    return this.query.done && !this.#ahead;
  }

  async next(size: number): Promise<Doc[]> {
    const batch: Doc[] = [];
    let bytes = 0;
    const add = ({ doc: document, bytes: raw }: Match) => {
      batch.push(this.#project ? this.#project(document) : Doc.fromBytes(raw));
      bytes += raw.length;
    };
    if (this.#ahead) add(this.#ahead);
    this.#ahead = undefined;
    if (this.query.done) return batch;
    await this.query.each(match => {
      if ((size > 0 && batch.length >= size) || (batch.length > 0 && bytes + match.bytes.length > MAX_BATCH_BYTES)) {
        this.#ahead = match;
        return false;
      }
      add(match);
      return true;
    });
    return batch;
  }
}

/** Answers with the first batch, and with a cursor if there is more. */
export async function cursorReply(
  context: Context,
  ns: string,
  source: CursorSource,
  size: number,
  single = false,
): Promise<Doc> {
  const firstBatch = size === 0 && !single ? [] : await source.next(size, context, 0);
  const finished = source.done || single;
  if (finished) source.close?.();
  const id = finished
    ? 0n
    : context.services.cursors.open(context, ns, source, context.args.boolean('noCursorTimeout'));
  return doc({
    cursor: { firstBatch, ...(source.resumeToken && { postBatchResumeToken: source.resumeToken }), id, ns },
  });
}

/** `min` and `max`: documents whose index key lies in [min, max). */
function within(args: Arguments, filter: Node): Node {
  const min = args.optionalDoc('min');
  const max = args.optionalDoc('max');
  const pattern = min ?? max;
  if (!pattern) return filter;
  if (args.get('hint') === undefined) return fail(51173, 'A hint must be provided when using min/max');
  const hint = args.get('hint');
  const order = compileSort(
    hint instanceof Doc ? hint : doc(Object.fromEntries(pattern.fields.map(({ name }) => [name, 1]))),
  );
  const bound = (given: Doc) => order.fields.map(({ path }) => given.get(path) ?? null);
  const [low, high] = [min && bound(min), max && bound(max)];
  const test = (document: Doc) => {
    const values = order.values(document);
    return !(low && order.compareValues(values, low) < 0) && !(high && order.compareValues(values, high) >= 0);
  };
  return conjunction([filter, { kind: 'other', children: [], test }]);
}

export function buildQuery(context: Context): Query {
  const { args, session } = context;
  checkCollation(args);
  for (const name of ['tailable', 'awaitData', 'returnKey', 'showRecordId', 'oplogReplay'])
    if (args.get(name) !== undefined && args.get(name) !== false) fail(115, `${name} is not supported by this server`);
  const filter = compileFilter(args.doc('filter'), variablesOf(args));
  const sort = args.doc('sort');
  const limit = args.count('limit');
  return new Query(collectionOf(context), {
    filter: within(args, filter),
    sort: sort.first && sort.first.name !== '$natural' ? compileSort(sort) : undefined,
    skip: args.count('skip'),
    limit,
    hint: sort.first?.name === '$natural' ? sort : args.get('hint'),
    transaction: session?.transaction,
    ...deadlineOf(context),
  });
}

async function find(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  const query = buildQuery(context);
  const project = compileProjection(args.doc('projection'), variablesOf(args));
  services.metrics.count('query', 1);
  return cursorReply(
    context,
    `${db}.${args.collection()}`,
    new QuerySource(query, project),
    args.count('batchSize', FIRST_BATCH),
    args.boolean('singleBatch'),
  );
}

async function getMore(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  const id = args.get('getMore');
  if (typeof id !== 'bigint') return fail(14, "BSON field 'getMore.getMore' is the wrong type, expected type 'long'");
  const ns = `${db}.${args.string('collection')}`;
  services.metrics.count('getmore', 1);
  const cursor = services.cursors.take(id, ns, context);
  try {
    const failure = services.failPoints.fire('failGetMoreAfterCursorCheckout');
    const code = asNumber(failure?.get('errorCode'));
    if (code !== undefined)
      throw new CommandError(code, "Failing getMore via 'failGetMoreAfterCursorCheckout' failpoint");
    if (args.get('maxTimeMS') !== undefined && !cursor.source.waits)
      fail(2, 'cannot set maxTimeMS on getMore command for a non-awaitData cursor');
    const nextBatch = await cursor.source.next(args.count('batchSize'), context, args.count('maxTimeMS', 1000));
    const token = cursor.source.resumeToken;
    return doc({
      cursor: { nextBatch, ...(token && { postBatchResumeToken: token }), id: cursor.source.done ? 0n : id, ns },
    });
  } catch (error) {
    if (cursor.source.waits) labelStreamError(error);
    throw error;
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

export function countQuery(context: Context): Query {
  const { args } = context;
  checkCollation(args);
  const filter = compileFilter(args.doc('query'));
  const limit = Math.abs(args.optionalNumber('limit') ?? 0);
  return new Query(collectionOf(context), {
    filter,
    skip: args.count('skip'),
    limit,
    hint: args.get('hint'),
    ...deadlineOf(context),
  });
}

async function count(context: Context): Promise<Doc> {
  const { args } = context;
  context.services.metrics.count('command', 1);
  const collection = collectionOf(context);
  if (!args.optionalDoc('query')?.first && !args.get('skip') && !args.get('limit'))
    return doc({ n: collection?.records.size ?? 0 });
  let n = 0;
  await countQuery(context).each(() => {
    n++;
    return true;
  });
  return doc({ n });
}

async function distinct(context: Context): Promise<Doc> {
  const { args, session } = context;
  checkCollation(args);
  const key = args.string('key');
  const found = new Map<string, Value>();
  const filter = compileFilter(args.doc('query'));
  const options = { filter, hint: args.get('hint'), transaction: session?.transaction, ...deadlineOf(context) };
  await new Query(collectionOf(context), options).each(match => {
    for (const value of valuesAt(match.doc, key)) {
      const id = keyOf(value);
      if (!found.has(id)) found.set(id, value);
    }
    return true;
  });
  return doc({ values: [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value) });
}

export const readCommands: Commands = {
  find: {
    fields: words(`filter projection sort skip limit batchSize singleBatch hint let collation noCursorTimeout
      allowDiskUse allowPartialResults tailable awaitData returnKey showRecordId min max oplogReplay`),
    inTransaction: true,
    run: find,
  },
  getMore: { fields: ['collection', 'batchSize'], inTransaction: true, run: getMore },
  killCursors: { fields: ['cursors'], inTransaction: true, run: killCursors },
  count: { fields: ['query', 'limit', 'skip', 'hint', 'collation', 'fields'], run: count },
  distinct: { fields: ['key', 'query', 'hint', 'collation'], inTransaction: true, run: distinct },
  aggregate: {
    fields: words(`pipeline cursor explain allowDiskUse hint let collation bypassDocumentValidation`),
    inTransaction: true,
    run: aggregateCommand,
  },
  explain: { fields: ['verbosity'], run: explain },
};
