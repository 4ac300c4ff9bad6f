import { CommandError, codeName, fail } from '../documents/errors.ts';
import { compileProjection } from '../documents/project.ts';
import { compileUpdate, type Update } from '../documents/update.ts';
import { asNumber, Doc, doc, type Plain, truthy } from '../documents/value.ts';
import { words } from '../documents/words.ts';
import { breathe, Collection } from './collection.ts';
import { Arguments, type Commands, type Context, collectionOf } from './context.ts';
import { CloseConnection } from './fail-points.ts';
import { type Query, queryOf } from './query.ts';
import { earlierReply } from './sessions.ts';
import type { Batch } from './store.ts';
import type { Transaction } from './transaction.ts';
import { insertOne, removeOne, updateOne, upsertOne } from './writes.ts';

/**
 * Runs a writing command alone, journals what it did together with its reply, and remembers where its answer must
 * wait. A retried command gets the reply of the first time and does nothing.
 */
export async function writing(context: Context, work: (batch: Batch) => Promise<Doc>): Promise<Doc> {
  const { session, number, transaction, services } = context;
  const { store, failPoints } = services;
  const batch: Batch = [];
  if (transaction) return work(batch);
  await store.enter();
  try {
    if (!session || number === undefined) return await work(batch);
    const known = earlierReply(session, number);
    if (known) return known;
    const failure = failPoints.fire('onPrimaryTransactionalWrite');
    const closes = failure !== undefined && truthy(failure.get('closeConnection') ?? true);
    const code = asNumber(failure?.get('failBeforeCommitExceptionCode'));
    if (code !== undefined) throw closes ? new CloseConnection() : new CommandError(code, 'failing by a fail point');
    const reply = await work(batch);
    store.frame(batch, doc({ l: session.lsid, n: number, r: reply.copy(), x: false }));
    if (closes) throw new CloseConnection();
    return reply;
  } finally {
    context.position = store.frame(batch);
    store.leave();
  }
}

/** The collection to write to; made if need be. What a transaction makes is there for it alone until the commit. */
export function targetCollection(context: Context, batch: Batch, options = new Doc()): Collection {
  const { db, args, services, transaction } = context;
  const known = collectionOf(context);
  if (known) return known;
  const name = args.collection();
  const ns = `${db}.${name}`;
  if (/[/\\. "$\0]/.test(db) || db.length > 63 || /\$|^system\.|^\.|\.$/.test(name) || ns.length > 255)
    fail(73, `Invalid namespace specified '${ns}'`);
  const collection = new Collection(ns, options);
  if (transaction) transaction.made.set(ns, collection);
  else services.store.change(batch, 'create', ns, doc({ options, uuid: collection.uuid }), collection);
  return collection;
}

/** Runs the statements of a bulk (an ordered one stops at the first error) and makes the reply. */
async function bulk<T>(
  context: Context,
  list: T[],
  run: (statement: T, index: number) => Promise<void>,
  counts: () => Record<string, Plain>,
): Promise<Doc> {
  const { args, transaction, services } = context;
  const writeErrors: Doc[] = [];
  const ordered = args.boolean('ordered', true);
  for (const [index, statement] of list.entries()) {
    try {
      await run(statement, index);
    } catch (error) {
      // Inside a transaction an error of a statement ends the command; so does one that is no fault of the statement.
      if (!(error instanceof CommandError) || error.code === 50 || error.code === 112) throw error;
      const { code, message: errmsg, extra } = error;
      writeErrors.push(doc({ index, code, codeName: codeName(code), ...extra, errmsg }));
      if (transaction) services.store.abort(transaction);
      if (ordered || transaction) break;
    }
    await breathe();
  }
  return doc({ ...counts(), writeErrors: writeErrors.length ? writeErrors : undefined });
}

function documentsOf({ args }: Context, name: string): Doc[] {
  const list = args.docs(name);
  if (list.length > 0 && list.length <= 100_000) return list;
  return fail(16, `Write batch sizes must be between 1 and 100000. Got ${list.length} operations.`);
}

/** The statements of a bulk; a field or an option that none may have refuses the whole of it. */
function statementsOf(context: Context, name: string, fields: ReadonlySet<string>, many: (args: Arguments) => boolean) {
  const list = documentsOf(context, name).map(body => new Arguments(body, `${context.name}.${name}`).allow(fields));
  if (context.number !== undefined && !context.transaction && list.some(many))
    fail(72, 'Cannot use (or request) retryable writes with multi=true or limit=0');
  return list;
}

function insert(context: Context): Promise<Doc> {
  const documents = documentsOf(context, 'documents');
  const { services, deadline } = context;
  let n = 0;
  return writing(context, async batch => {
    const target = { context, batch, collection: targetCollection(context, batch) };
    const run = async (document: Doc) => {
      for (let { blocker } = insertOne(target, document); blocker; { blocker } = insertOne(target, document))
        await services.store.waitFor(batch, blocker, deadline);
      n++;
    };
    return bulk(context, documents, run, () => ({ n }));
  });
}

/** A write to many documents is journaled in frames of so many: until then what they were before is held, too. */
const MOST_OPS = 2000;

interface Outcome {
  n: number;
  modified: number;
  upserted?: Doc | undefined;
  before?: Doc;
  after?: Doc;
}

/** Updates what a query finds (removes it, without an update); inserts if that is nothing and an upsert is wanted. */
async function change(
  context: Context,
  batch: Batch,
  query: () => Query,
  compiled?: Update,
  upsert = false,
): Promise<Outcome> {
  const { store } = context.services;
  const outcome: Outcome = { n: 0, modified: 0 };
  const done = new Set<unknown>();
  for (;;) {
    const { collection, options, matches } = await query().found();
    if (!collection) return outcome;
    const target = { context, batch, collection };
    let blocker: Transaction | undefined;
    for (const match of matches) {
      if (done.has(match.rec ?? match)) continue;
      const written = compiled ? updateOne(target, match, compiled) : removeOne(target, match);
      ({ blocker } = written);
      if (blocker) break;
      done.add(match.rec);
      Object.assign(outcome, written, { n: outcome.n + 1 });
      outcome.modified += Number(written.before !== written.after);
      // Not for a retryable write: its reply must be in the frame of what it did.
      if (batch.length >= MOST_OPS && context.number === undefined) store.frame(batch);
      await breathe();
    }
    if (!blocker) {
      if (outcome.n > 0 || !upsert || !compiled) return outcome;
      const { after: upserted, blocker: holder } = upsertOne(target, options.filter, compiled);
      if (!holder) return { n: 1, modified: 0, upserted, after: upserted as Doc };
      blocker = holder;
    }
    // Afterwards everything may be different: it looks again, and leaves out what it has done already.
    await store.waitFor(batch, blocker, context.deadline);
  }
}

export const UPDATE_FIELDS = new Set(words('q u multi upsert arrayFilters hint collation'));
export const DELETE_FIELDS = new Set(words('q limit hint collation'));

function update(context: Context): Promise<Doc> {
  const list = statementsOf(context, 'updates', UPDATE_FIELDS, args => args.boolean('multi'));
  const upserted: Doc[] = [];
  let [n, nModified] = [0, 0];
  return writing(context, async batch => {
    if (list.some(args => args.boolean('upsert'))) targetCollection(context, batch);
    const run = async (args: Arguments, index: number) => {
      args.requiredDoc('q');
      const compiled = compileUpdate(args.get('u') ?? args.missing('u'), args.get('arrayFilters'));
      const multi = args.boolean('multi');
      if (multi && compiled.replacement) fail(9, 'multi update is not supported for replacement-style update');
      const query = () => queryOf(context, { limit: multi ? 0 : 1 }, args);
      const outcome = await change(context, batch, query, compiled, args.boolean('upsert'));
      n += outcome.n;
      nModified += outcome.modified;
      if (outcome.upserted) upserted.push(doc({ index, _id: outcome.upserted.get('_id') }));
    };
    return bulk(context, list, run, () => ({ n, nModified, upserted: upserted.length ? upserted : undefined }));
  });
}

function remove(context: Context): Promise<Doc> {
  const list = statementsOf(context, 'deletes', DELETE_FIELDS, args => asNumber(args.get('limit')) === 0);
  let n = 0;
  return writing(context, async batch => {
    const run = async (args: Arguments) => {
      args.requiredDoc('q');
      const limit = args.optionalNumber('limit') ?? args.missing('limit');
      if (limit !== 0 && limit !== 1) fail(9, `The limit field in delete objects must be 0 or 1. Got ${limit}`);
      n += (await change(context, batch, () => queryOf(context, { limit }, args))).n;
    };
    return bulk(context, list, run, () => ({ n }));
  });
}

/** Finds one document in a given order and changes or removes it in the same breath. */
async function findAndModify(context: Context): Promise<Doc> {
  const { args } = context;
  const [removes, upsert, wantsNew] = [args.boolean('remove'), args.boolean('upsert'), args.boolean('new')];
  const given = args.get('update');
  if (removes === (given !== undefined)) fail(9, 'Either an update or remove=true must be specified, and not both');
  if (removes && (wantsNew || upsert)) fail(9, 'Cannot specify new=true or upsert=true together with remove=true');
  const compiled = given === undefined ? undefined : compileUpdate(given, args.get('arrayFilters'));
  const project = compileProjection(args.doc('fields'));
  return writing(context, async batch => {
    if (upsert) targetCollection(context, batch);
    const query = () => queryOf(context, { limit: 1 });
    const { n, upserted, before, after } = await change(context, batch, query, compiled, upsert);
    const value = (wantsNew ? after : before) ?? null;
    const updatedExisting = removes ? undefined : n > 0 && !upserted;
    return doc({
      lastErrorObject: { n, updatedExisting, upserted: upserted?.get('_id') },
      value: value && project ? project(value) : value,
    });
  });
}

const write = (run: Commands[string]['run'], fields: string) => ({
  fields,
  refused: 'let',
  writes: true,
  inTransaction: true,
  run,
});

export const writeCommands: Commands = {
  insert: write(insert, 'documents ordered bypassDocumentValidation'),
  update: write(update, 'updates ordered bypassDocumentValidation'),
  delete: write(remove, 'deletes ordered'),
  findAndModify: write(
    findAndModify,
    'query sort remove update new fields upsert bypassDocumentValidation arrayFilters hint collation',
  ),
};
