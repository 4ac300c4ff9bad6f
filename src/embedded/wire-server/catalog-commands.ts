import { Binary } from 'bson';
import { words } from './arguments.ts';
import { Collection } from './collection.ts';
import { type Commands, type Context, collectionOf } from './context.ts';
import { fail } from './errors.ts';
import { ListSource } from './list-source.ts';
import { compileFilter } from './match.ts';
import { cursorReply } from './read-commands.ts';
import { asNumber, Doc, doc, show } from './value.ts';
import { equal } from './value-order.ts';
import { checkCollation, writing } from './write-commands.ts';

const CREATE_OPTIONS = ['validator', 'validationLevel', 'validationAction'];
/** Kinds of collections this server does not have: refused, never half-done. */
const UNSUPPORTED =
  words(`capped size max timeseries viewOn pipeline clusteredIndex changeStreamPreAndPostImages encryptedFields
  expireAfterSeconds storageEngine indexOptionDefaults`);

export function checkNamespace(db: string, name: string): void {
  if (/[/\\. "$\0]/.test(db) || db.length === 0 || db.length > 63)
    fail(73, `Invalid namespace specified '${db}.${name}'`);
  if (name.includes('$') || name.startsWith('system.') || name.startsWith('.') || name.endsWith('.'))
    fail(73, `Invalid namespace specified '${db}.${name}'`);
  if (db.length + name.length + 1 > 255)
    fail(73, `Fully qualified namespace is too long. Namespace: ${db}.${name} Max: 255`);
}

async function create(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  checkCollation(args);
  for (const name of UNSUPPORTED)
    if (args.get(name) !== undefined && args.get(name) !== false)
      fail(115, `create: ${name} is not supported by this server`);
  const name = args.collection();
  checkNamespace(db, name);
  const options = optionsOf(args.body);
  return writing(context, async batch => {
    const known = collectionOf(context);
    if (!known) services.store.make(batch, db, name, options, context.session?.transaction);
    else if (!equal(known.options, options))
      fail(48, `namespace ${db}.${name} already exists, but with different options`);
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
  const { args, db, services } = context;
  for (const { name } of args.body.fields)
    if (UNSUPPORTED.includes(name)) fail(115, `collMod: ${name} is not supported by this server`);
  return writing(context, async batch => {
    const collection = collectionOf(context) ?? fail(26, `ns does not exist: ${db}.${args.collection()}`);
    const index = args.optionalDoc('index');
    const reply = index ? await modifyIndex(context, batch, collection, index) : doc({});
    if (CREATE_OPTIONS.some(name => args.get(name) !== undefined))
      services.store.setOptions(batch, collection, optionsOf(args.body, collection.options));
    return reply;
  });
}

type Batch = Parameters<Parameters<typeof writing>[1]>[0];

async function modifyIndex({ services }: Context, batch: Batch, collection: Collection, change: Doc): Promise<Doc> {
  const pattern = change.get('keyPattern');
  const found = [...collection.indexes.values()].find(
    index =>
      index.name === change.get('name') || (pattern instanceof Doc && equal(index.spec.get('key') as Doc, pattern)),
  );
  if (!found) return fail(27, `cannot find index ${show(change.get('name'))} for ns ${collection.ns}`);
  for (const { name } of change.fields)
    if (!['name', 'keyPattern', 'expireAfterSeconds', 'hidden'].includes(name))
      fail(115, `collMod index.${name} is not supported by this server`);
  const seconds = change.get('expireAfterSeconds');
  if (seconds === undefined) return doc({});
  const old = found.spec.get('expireAfterSeconds');
  services.store.dropIndex(batch, collection, found.name);
  await services.store.addIndex(batch, collection, found.spec.copy().set('expireAfterSeconds', seconds));
  return doc({ expireAfterSeconds_old: old, expireAfterSeconds_new: seconds });
}

async function drop(context: Context): Promise<Doc> {
  const { services } = context;
  return writing(context, async batch => {
    const collection = collectionOf(context);
    // Since 7.0 dropping what is not there succeeds.
    if (!collection) return doc({});
    endTransactionsOn(context, collection);
    services.store.drop(batch, collection);
    return doc({ nIndexesWas: collection.indexes.size, ns: collection.ns });
  });
}

/** A drop takes the collection from under open transactions: they can only fail. */
function endTransactionsOn({ services }: Context, collection: Collection): void {
  for (const transaction of services.store.openTransactions) {
    if (transaction.own.has(collection)) services.store.endTransaction(transaction);
  }
}

async function dropDatabase(context: Context): Promise<Doc> {
  const { db, services } = context;
  return writing(context, async batch => {
    const gone = [...services.store.collections.values()].filter(collection => collection.db === db);
    for (const collection of gone) {
      endTransactionsOn(context, collection);
      services.store.drop(batch, collection);
    }
    if (gone.length)
      batch.note({
        entry: doc({ o: 'dropDatabase', n: `${db}.` }),
        event: { kind: 'dropDatabase', db, collection: '' },
      });
    return doc({ dropped: db });
  });
}

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
    for (const collection of target ? [source, target] : [source]) endTransactionsOn(context, collection);
    if (target) services.store.drop(batch, target);
    services.store.rename(batch, source, to);
    return doc({});
  });
}

async function listCollections(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  const filter = compileFilter(args.doc('filter'));
  const nameOnly = args.boolean('nameOnly');
  const list = [...services.store.collections.values()]
    .filter(collection => collection.db === db && !collection.maker)
    .map(collection => {
      const head = { name: collection.name, type: 'collection' };
      if (nameOnly) return doc(head);
      const id = collection.indexes.get('_id_')?.spec;
      return doc({
        ...head,
        options: collection.options,
        info: { readOnly: false, uuid: new Binary(collection.uuid, 4) },
        idIndex: id,
      });
    })
    .filter(item => filter.test(item));
  return cursorReply(
    context,
    `${db}.$cmd.listCollections`,
    new ListSource(list),
    asNumber(args.doc('cursor').get('batchSize')) ?? 101,
  );
}

function listDatabases({ args, services }: Context): Doc {
  const filter = compileFilter(args.doc('filter'));
  const sizes = new Map<string, number>([
    ['admin', 0],
    ['config', 0],
    ['local', 0],
  ]);
  for (const { db, bytes } of services.store.collections.values()) sizes.set(db, (sizes.get(db) ?? 0) + bytes);
  const nameOnly = args.boolean('nameOnly');
  const databases = [...sizes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bytes]) => (nameOnly ? doc({ name }) : doc({ name, sizeOnDisk: BigInt(bytes), empty: bytes === 0 })))
    .filter(item => filter.test(item));
  if (nameOnly) return doc({ databases });
  return doc({ databases, totalSize: BigInt([...sizes.values()].reduce((a, b) => a + b, 0)) });
}

function collStats({ args, db, services }: Context): Doc {
  const collection = services.store.find(`${db}.${args.collection()}`);
  const count = collection?.records.size ?? 0;
  const size = collection?.bytes ?? 0;
  return doc({
    ns: `${db}.${args.collection()}`,
    count,
    size,
    avgObjSize: count ? Math.round(size / count) : undefined,
    storageSize: size,
    nindexes: collection?.indexes.size ?? 0,
  });
}

function dbStats({ db, services }: Context): Doc {
  const own = [...services.store.collections.values()].filter(collection => collection.db === db);
  const sum = (of: (collection: Collection) => number) => own.reduce((total, collection) => total + of(collection), 0);
  const dataSize = BigInt(sum(collection => collection.bytes));
  return doc({
    db,
    collections: own.length,
    views: 0,
    objects: sum(collection => collection.records.size),
    dataSize,
    storageSize: dataSize,
    indexes: sum(collection => collection.indexes.size),
  });
}

export const catalogCommands: Commands = {
  create: {
    fields: [...CREATE_OPTIONS, ...UNSUPPORTED, 'collation', 'autoIndexId', 'flags', 'temp'],
    writes: true,
    inTransaction: true,
    run: create,
  },
  collMod: { fields: [...CREATE_OPTIONS, ...UNSUPPORTED, 'index'], writes: true, run: collMod },
  drop: { fields: [], writes: true, run: drop },
  dropDatabase: { fields: [], writes: true, run: dropDatabase },
  renameCollection: { fields: ['to', 'dropTarget'], writes: true, adminOnly: true, run: renameCollection },
  listCollections: { fields: ['filter', 'nameOnly', 'authorizedCollections', 'cursor'], run: listCollections },
  listDatabases: { fields: ['filter', 'nameOnly', 'authorizedDatabases'], adminOnly: true, run: listDatabases },
  collStats: { fields: ['scale'], run: collStats },
  dbStats: { fields: ['scale', 'freeStorage'], run: dbStats },
};
