import { Binary } from 'bson';
import { Collection, findIndex } from './collection.ts';
import { type Commands, type Context, collectionOf, words } from './context.ts';
import { cursorReply, FIRST_BATCH, listSource } from './cursors.ts';
import { fail } from './errors.ts';
import { compileFilter } from './match.ts';
import { asNumber, Doc, doc, show } from './value.ts';
import { equal } from './value-order.ts';
import type { WriteBatch } from './write-batch.ts';
import { writing } from './write-commands.ts';

const CREATE_OPTIONS = words('validator validationLevel validationAction');
/** Kinds of collections this server does not have: refused, never half-done. */
const UNSUPPORTED = words(`capped size max timeseries viewOn pipeline clusteredIndex changeStreamPreAndPostImages
  encryptedFields expireAfterSeconds storageEngine indexOptionDefaults`);

export function checkNamespace(db: string, name: string): void {
  if (/[/\\. "$\0]/.test(db) || db.length === 0 || db.length > 63 || /\$|^system\.|^\.|\.$/.test(name))
    fail(73, `Invalid namespace specified '${db}.${name}'`);
  if (db.length + name.length + 1 > 255) fail(73, `Fully qualified namespace is too long: ${db}.${name} Max: 255`);
}

function refuseUnsupported({ args, name: command }: Context): void {
  args.refuseCollation();
  for (const name of UNSUPPORTED)
    if (args.get(name) !== undefined && args.get(name) !== false)
      fail(115, `${command}: ${name} is not supported by this server`);
}

async function create(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  refuseUnsupported(context);
  const name = args.collection();
  checkNamespace(db, name);
  const options = optionsOf(args.body);
  return writing(context, async batch => {
    const known = collectionOf(context);
    if (!known) services.store.make(batch, db, name, options, context.session?.transaction);
    else if (!equal(known.options, options)) fail(48, `namespace ${db}.${name} already exists with different options`);
    return doc({});
  });
}

function optionsOf(body: Doc, base: Doc = new Doc()): Doc {
  const options = base.copy();
  for (const name of CREATE_OPTIONS) {
    const value = body.get(name);
    if (value !== undefined) options.set(name, value);
  }
  const validator = options.get('validator');
  if (validator instanceof Doc && !validator.first) options.delete('validator');
  // Compiled once to refuse a bad one before anything is made.
  void new Collection('check', 'check', options);
  return options;
}

async function collMod(context: Context): Promise<Doc> {
  const { args, services } = context;
  refuseUnsupported(context);
  return writing(context, async batch => {
    const collection = required(context);
    const index = args.optionalDoc('index');
    const reply = index ? await modifyIndex(context, batch, collection, index) : doc({});
    if (CREATE_OPTIONS.some(name => args.get(name) !== undefined))
      services.store.setOptions(batch, collection, optionsOf(args.body, collection.options));
    return reply;
  });
}

export const required = (context: Context): Collection =>
  collectionOf(context) ?? fail(26, `ns does not exist: ${context.db}.${context.args.collection()}`);

async function modifyIndex(
  { services }: Context,
  batch: WriteBatch,
  collection: Collection,
  change: Doc,
): Promise<Doc> {
  const found = findIndex(collection, change.get('keyPattern') ?? change.get('name') ?? null);
  if (!found) return fail(27, `cannot find index ${show(change.get('name'))} for ns ${collection.ns}`);
  for (const { name } of change.fields)
    if (!['name', 'keyPattern', 'expireAfterSeconds', 'hidden'].includes(name))
      fail(115, `collMod index.${name} is not supported by this server`);
  const seconds = change.get('expireAfterSeconds');
  if (seconds === undefined) return doc({});
  services.store.dropIndex(batch, collection, found.name);
  await services.store.addIndex(batch, collection, found.spec.copy().set('expireAfterSeconds', seconds));
  return doc({ expireAfterSeconds_old: found.spec.get('expireAfterSeconds'), expireAfterSeconds_new: seconds });
}

const drop = (context: Context): Promise<Doc> =>
  writing(context, async batch => {
    const collection = collectionOf(context);
    // Since 7.0 dropping what is not there succeeds.
    if (!collection) return doc({});
    dropOne(context, batch, collection);
    return doc({ nIndexesWas: collection.indexes.size, ns: collection.ns });
  });

/** A drop takes the collection from under open transactions: they can only fail. */
function endTransactionsOn({ services }: Context, collection: Collection): void {
  for (const transaction of services.store.openTransactions)
    if (transaction.own.has(collection)) services.store.endTransaction(transaction);
}

function dropOne(context: Context, batch: WriteBatch, collection: Collection): void {
  endTransactionsOn(context, collection);
  context.services.store.drop(batch, collection);
}

const dropDatabase = (context: Context): Promise<Doc> =>
  writing(context, async batch => {
    const { db } = context;
    const gone = collectionsOf(context);
    for (const collection of gone) dropOne(context, batch, collection);
    const event = { kind: 'dropDatabase', db, collection: '' } as const;
    if (gone.length) batch.note({ entry: doc({ o: 'dropDatabase', n: `${db}.` }), event });
    return doc({ dropped: db });
  });

async function renameCollection(context: Context): Promise<Doc> {
  const { args, services } = context;
  const from = args.string('renameCollection');
  const to = args.string('to');
  const dot = to.indexOf('.');
  checkNamespace(to.slice(0, dot), to.slice(dot + 1));
  return writing(context, async batch => {
    const source = services.store.find(from) ?? fail(26, `Source collection ${from} does not exist`);
    const target = services.store.find(to);
    if (target && !args.boolean('dropTarget')) return fail(48, 'target namespace exists');
    endTransactionsOn(context, source);
    if (target) dropOne(context, batch, target);
    services.store.rename(batch, source, to);
    return doc({});
  });
}

const collectionsOf = ({ services, db }: Context): Collection[] =>
  [...services.store.collections.values()].filter(collection => collection.db === db);

async function listCollections(context: Context): Promise<Doc> {
  const { args, db } = context;
  const filter = compileFilter(args.doc('filter'));
  const describe = ({ name, options, uuid, indexes }: Collection) =>
    doc({
      name,
      type: 'collection',
      ...(!args.boolean('nameOnly') && {
        options,
        info: { readOnly: false, uuid: new Binary(uuid, 4) },
        idIndex: indexes.get('_id_')?.spec,
      }),
    });
  const list = collectionsOf(context)
    .filter(collection => !collection.maker)
    .map(describe)
    .filter(filter.test);
  return listReply(context, `${db}.$cmd.listCollections`, list);
}

export const listReply = (context: Context, ns: string, list: Doc[]): Promise<Doc> =>
  cursorReply(context, ns, listSource(list), asNumber(context.args.doc('cursor').get('batchSize')) ?? FIRST_BATCH);

function listDatabases({ args, services }: Context): Doc {
  const filter = compileFilter(args.doc('filter'));
  const sizes = new Map(['admin', 'config', 'local'].map(name => [name, 0]));
  for (const { db, bytes } of services.store.collections.values()) sizes.set(db, (sizes.get(db) ?? 0) + bytes);
  const nameOnly = args.boolean('nameOnly');
  const databases = [...sizes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bytes]) => doc({ name, ...(!nameOnly && { sizeOnDisk: BigInt(bytes), empty: bytes === 0 }) }))
    .filter(filter.test);
  const totalSize = [...sizes.values()].reduce((a, b) => a + b, 0);
  return doc({ databases, totalSize: nameOnly ? undefined : BigInt(totalSize) });
}

/** Sizes of one collection, or of all of a database. */
function stats(list: Collection[]) {
  const sum = (of: (collection: Collection) => number) => list.reduce((total, collection) => total + of(collection), 0);
  const size = BigInt(sum(collection => collection.bytes));
  return { count: sum(({ records }) => records.size), size, indexes: sum(({ indexes }) => indexes.size) };
}

function collStats(context: Context): Doc {
  const collection = collectionOf(context);
  const { count, size, indexes } = stats(collection ? [collection] : []);
  const ns = `${context.db}.${context.args.collection()}`;
  return doc({ ns, count, size, storageSize: size, nindexes: indexes });
}

function dbStats(context: Context): Doc {
  const own = collectionsOf(context);
  const { count: objects, size, indexes } = stats(own);
  return doc({
    db: context.db,
    collections: own.length,
    views: 0,
    objects,
    dataSize: size,
    storageSize: size,
    indexes,
  });
}

const options = [...CREATE_OPTIONS, ...UNSUPPORTED, 'collation'].join(' ');

export const catalogCommands: Commands = {
  create: { fields: `${options} autoIndexId flags temp`, writes: true, inTransaction: true, run: create },
  collMod: { fields: `${options} index`, writes: true, run: collMod },
  drop: { fields: '', writes: true, run: drop },
  dropDatabase: { fields: '', writes: true, run: dropDatabase },
  renameCollection: { fields: 'to dropTarget', writes: true, adminOnly: true, run: renameCollection },
  listCollections: { fields: 'filter nameOnly authorizedCollections cursor', run: listCollections },
  listDatabases: { fields: 'filter nameOnly authorizedDatabases', adminOnly: true, run: listDatabases },
  collStats: { fields: 'scale', run: collStats },
  dbStats: { fields: 'scale freeStorage', run: dbStats },
};
