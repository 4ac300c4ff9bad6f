import { Arguments, words } from './arguments.ts';
import { checkNamespace } from './catalog-commands.ts';
import type { Collection } from './collection.ts';
import { type Commands, type Context, collectionOf, deadlineOf, variablesOf } from './context.ts';
import { CloseConnection, CommandError, codeName, fail } from './errors.ts';
import { findAndModify } from './find-and-modify.ts';
import { compileFilter } from './match.ts';
import { Query } from './query.ts';
import { compileUpdate } from './update.ts';
import { asNumber, type Doc, doc, type Plain, truthy } from './value.ts';
import type { WriteBatch } from './write-batch.ts';
import { DocumentWriter } from './writes.ts';

/**
 * Runs a writing command alone, journals what it did together with its reply, and remembers where its answer must
 * wait. A retried command gets the reply of the first time and does nothing.
 */
export async function writing(context: Context, work: (batch: WriteBatch) => Promise<Doc>): Promise<Doc> {
  const { store } = context.services;
  const { session } = context;
  if (session?.transaction) return work(store.newBatch());
  await store.enter();
  const batch = store.newBatch();
  try {
    const number = session?.number;
    const known = session && number !== undefined ? store.sessions.replyTo(session.key, number) : undefined;
    if (known) {
      context.position = store.position;
      return known.copy();
    }
    const failure = number === undefined ? undefined : context.services.failPoints.fire('onPrimaryTransactionalWrite');
    const closes = failure !== undefined && truthy(failure.get('closeConnection') ?? true);
    const code = asNumber(failure?.get('failBeforeCommitExceptionCode'));
    if (code !== undefined) throw closes ? new CloseConnection() : new CommandError(code, 'failing by a fail point');
    const reply = await work(batch);
    const record =
      session && number !== undefined
        ? { key: session.key, lsid: session.lsid, number, reply: reply.copy(), transaction: false }
        : undefined;
    context.position = store.frame(batch, record);
    if (closes) throw new CloseConnection();
    return reply;
  } finally {
    if (batch.ops.length) context.position = store.frame(batch);
    store.leave();
  }
}

/** The collection to write to; made if need be. */
export function targetCollection(context: Context, batch: WriteBatch): Collection {
  const { store } = context.services;
  const name = context.args.collection();
  if (!collectionOf(context)) checkNamespace(context.db, name);
  return store.make(batch, context.db, name, undefined, context.session?.transaction);
}

/** Runs the statements of a bulk; an ordered one stops at the first error. */
async function statements(
  context: Context,
  list: Doc[],
  run: (statement: Doc, index: number) => Promise<void>,
): Promise<Doc[]> {
  const errors: Doc[] = [];
  const ordered = context.args.boolean('ordered', true);
  for (let index = 0; index < list.length; index++) {
    try {
      await run(list[index] as Doc, index);
    } catch (error) {
      // Inside a transaction an error of a statement ends the command; so does one that is no fault of the statement.
      if (!(error instanceof CommandError) || error.code === 50 || error.code === 112) throw error;
      const extra: Record<string, Plain> = error.extra;
      errors.push(doc({ index, code: error.code, codeName: codeName(error.code), ...extra, errmsg: error.message }));
      if (ordered || context.session?.transaction) break;
    }
    if (index % 64 === 63) await breathe();
  }
  return errors;
}

let lastBreath = performance.now();

/** A long bulk gives the event loop back now and then; it keeps its turn as the only writer. */
async function breathe(): Promise<void> {
  if (performance.now() - lastBreath > 10) await new Promise<void>(setImmediate);
  lastBreath = performance.now();
}

function checkBulk(list: Doc[]): void {
  if (list.length === 0 || list.length > 100_000)
    fail(16, `Write batch sizes must be between 1 and 100000. Got ${list.length} operations.`);
}

async function insert(context: Context): Promise<Doc> {
  const documents = context.args.docs('documents');
  checkBulk(documents);
  return writing(context, async batch => {
    const writer = new DocumentWriter(context, batch, targetCollection(context, batch));
    let n = 0;
    const errors = await statements(context, documents, async document => {
      await writer.insert(document);
      n++;
    });
    context.services.metrics.count('insert', n);
    return bulkReply(context, { n }, errors);
  });
}

function bulkReply(context: Context, counts: Record<string, Plain>, errors: Doc[]): Doc {
  const reply = doc(counts);
  if (errors.length) reply.set('writeErrors', errors);
  if (errors.length && context.session?.transaction) context.services.store.endTransaction(context.session.transaction);
  return reply;
}

/** A write to many documents is journaled in frames of so many: one frame must stay readable. */
const MOST_OPS = 2000;

/** Not for a retryable write: its reply must be in the frame of what it did. */
function spill(context: Context, batch: WriteBatch): void {
  if (batch.ops.length >= MOST_OPS && !isRetryable(context)) context.services.store.frame(batch);
}

const UPDATE_FIELDS = new Set(words(`q u c multi upsert arrayFilters hint collation`));
const DELETE_FIELDS = new Set(['q', 'limit', 'hint', 'collation']);

/** The fields of one statement of a bulk. */
function statementOf(statement: Doc, command: string, allowed: ReadonlySet<string>): Arguments {
  for (const { name } of statement.fields)
    if (!allowed.has(name)) fail(40415, `BSON field '${command}.${name}' is an unknown field.`);
  const args = new Arguments(statement, command);
  checkCollation(args);
  return args;
}

export function checkCollation(args: Arguments): void {
  const locale = args.optionalDoc('collation')?.get('locale');
  if (locale !== undefined && locale !== 'simple')
    fail(115, 'collations other than simple are not supported by this server');
}

interface UpdateCounts {
  n: number;
  nModified: number;
  upserted: Doc[];
}

async function update(context: Context): Promise<Doc> {
  const list = context.args.docs('updates');
  checkBulk(list);
  const parsed = list.map(statement => statementOf(statement, 'update.updates', UPDATE_FIELDS));
  if (isRetryable(context) && parsed.some(args => args.boolean('multi')))
    return fail(72, 'Cannot use (or request) retryable writes with multi=true');
  return writing(context, async batch => {
    const counts: UpdateCounts = { n: 0, nModified: 0, upserted: [] };
    const collection = parsed.some(args => args.boolean('upsert'))
      ? targetCollection(context, batch)
      : collectionOf(context);
    const errors = await statements(context, list, async (_statement, index) => {
      await updateOne(context, batch, collection, parsed[index] as Arguments, index, counts);
    });
    context.services.metrics.count('update', list.length);
    const { n, nModified, upserted } = counts;
    return bulkReply(context, { n, nModified, ...(upserted.length ? { upserted } : {}) }, errors);
  });
}

const isRetryable = ({ session }: Context): boolean => session?.number !== undefined && !session.transaction;

async function updateOne(
  context: Context,
  batch: WriteBatch,
  collection: Collection | undefined,
  args: Arguments,
  index: number,
  counts: UpdateCounts,
): Promise<void> {
  const filter = compileFilter(args.requiredDoc('q'), variablesOf(context.args));
  const change = compileUpdate(args.get('u') ?? args.missing('u'), args.get('arrayFilters'));
  const multi = args.boolean('multi');
  if (multi && change.replacement) return fail(9, 'multi update is not supported for replacement-style update');
  if (!collection) return;
  const writer = new DocumentWriter(context, batch, collection);
  const options = { filter, hint: args.get('hint'), transaction: context.session?.transaction, ...deadlineOf(context) };
  for (;;) {
    const matches = await new Query(collection, { ...options, limit: multi ? 0 : 1 }).all();
    let matchedAny = false;
    for (const match of matches) {
      const result = await writer.update(match, filter, change);
      matchedAny ||= result.matched;
      counts.n += Number(result.matched);
      counts.nModified += Number(result.modified);
      spill(context, batch);
      await breathe();
    }
    // What was found may be another's by now if this had to wait: then there may be a second one.
    if (!multi && matches.length > 0 && !matchedAny) continue;
    if (matchedAny || !args.boolean('upsert')) return;
    const inserted = await writer.upsert(filter, change);
    if (!inserted) continue;
    counts.n++;
    counts.upserted.push(doc({ index, _id: inserted.first?.value }));
    return;
  }
}

async function remove(context: Context): Promise<Doc> {
  const list = context.args.docs('deletes');
  checkBulk(list);
  const parsed = list.map(statement => statementOf(statement, 'delete.deletes', DELETE_FIELDS));
  if (isRetryable(context) && parsed.some(args => asNumber(args.get('limit')) === 0))
    return fail(72, 'Cannot use (or request) retryable writes with limit=0');
  const collection = collectionOf(context);
  return writing(context, async batch => {
    let n = 0;
    const errors = await statements(context, list, async (_statement, index) => {
      const args = parsed[index] as Arguments;
      const filter = compileFilter(args.requiredDoc('q'), variablesOf(context.args));
      const limit = args.optionalNumber('limit') ?? args.missing('limit');
      if (limit !== 0 && limit !== 1) fail(9, `The limit field in delete objects must be 0 or 1. Got ${limit}`);
      if (!collection) return;
      const writer = new DocumentWriter(context, batch, collection);
      const query = new Query(collection, {
        filter,
        limit,
        hint: args.get('hint'),
        transaction: context.session?.transaction,
        ...deadlineOf(context),
      });
      for (const match of await query.all()) {
        if (await writer.remove(match, filter)) n++;
        spill(context, batch);
        await breathe();
      }
    });
    context.services.metrics.count('delete', list.length);
    return bulkReply(context, { n }, errors);
  });
}

const FIND_AND_MODIFY = {
  fields: words(`query sort remove update new fields upsert bypassDocumentValidation arrayFilters hint let collation`),
  writes: true,
  inTransaction: true,
  run: findAndModify,
} as const;

export const writeCommands: Commands = {
  insert: {
    fields: ['documents', 'ordered', 'bypassDocumentValidation'],
    writes: true,
    inTransaction: true,
    run: insert,
  },
  update: {
    fields: ['updates', 'ordered', 'bypassDocumentValidation', 'let'],
    writes: true,
    inTransaction: true,
    run: update,
  },
  delete: { fields: ['deletes', 'ordered', 'let'], writes: true, inTransaction: true, run: remove },
  findAndModify: FIND_AND_MODIFY,
  findandmodify: FIND_AND_MODIFY,
};
