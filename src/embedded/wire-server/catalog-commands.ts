import { fail } from '../documents/errors.ts';
import { compileFilter } from '../documents/match.ts';
import { asNumber, Doc, doc } from '../documents/value.ts';
import { equal } from '../documents/value-order.ts';
import { words } from '../documents/words.ts';
import { Collection } from './collection.ts';
import { type Commands, type Context, collectionOf } from './context.ts';
import { cursorReply, FIRST_BATCH, listSource } from './cursors.ts';
import type { Batch } from './store.ts';
import { targetCollection, writing } from './write-commands.ts';

const OPTIONS = words('validator validationLevel validationAction');

async function create(context: Context): Promise<Doc> {
  const { args, db } = context;
  const options = optionsOf(args.body);
  return writing(context, async batch => {
    const known = collectionOf(context);
    if (known && !equal(known.options, options))
      fail(48, `namespace ${db}.${known.name} already exists with different options`);
    targetCollection(context, batch, options);
    return doc({});
  });
}

function optionsOf(body: Doc, base: Doc = new Doc()): Doc {
  const options = base.copy();
  for (const name of OPTIONS) {
    const value = body.get(name);
    if (value !== undefined) options.set(name, value);
  }
  const validator = options.get('validator');
  if (validator instanceof Doc && !validator.first) options.set('validator', undefined);
  // Compiled once to refuse a bad one before anything is made.
  void new Collection('check.check', options);
  return options;
}

const collMod = (context: Context): Promise<Doc> =>
  writing(context, async batch => {
    const { ns, options } = required(context);
    context.services.store.change(batch, 'options', ns, optionsOf(context.args.body, options));
    return doc({});
  });

export const required = (context: Context): Collection =>
  collectionOf(context) ?? fail(26, `ns does not exist: ${context.db}.${context.args.collection()}`);

const drop = (context: Context): Promise<Doc> =>
  writing(context, async batch => {
    const collection = collectionOf(context);
    // Since 7.0 dropping what is not there succeeds.
    if (!collection) return doc({});
    dropOne(context, batch, collection);
    return doc({ nIndexesWas: collection.indexes.size, ns: collection.ns });
  });

/** Takes the collection from under open transactions: they can only fail. */
function endTransactionsOn({ services: { store } }: Context, collection: Collection): void {
  for (const transaction of store.openTransactions) if (transaction.own.has(collection)) store.abort(transaction);
}

function dropOne(context: Context, batch: Batch, collection: Collection): void {
  endTransactionsOn(context, collection);
  context.services.store.change(batch, 'drop', collection.ns, new Doc());
}

const dropDatabase = (context: Context): Promise<Doc> =>
  writing(context, async batch => {
    const own = collectionsOf(context);
    for (const collection of own) dropOne(context, batch, collection);
    if (own.length) context.services.store.change(batch, 'dropDatabase', `${context.db}.`, new Doc());
    return doc({ dropped: context.db });
  });

function renameCollection(context: Context): Promise<Doc> {
  const { args, services } = context;
  const { store } = services;
  const [from, to] = [args.string('renameCollection'), args.string('to')];
  return writing(context, async batch => {
    const source = store.collections.get(from) ?? fail(26, `Source collection ${from} does not exist`);
    const target = store.collections.get(to);
    if (target && !args.boolean('dropTarget')) fail(48, 'target namespace exists');
    endTransactionsOn(context, source);
    if (target) dropOne(context, batch, target);
    store.change(batch, 'rename', from, doc({ to }));
    return doc({});
  });
}

const collectionsOf = ({ services, db }: Context): Collection[] =>
  [...services.store.collections.values()].filter(collection => collection.db === db);

function listCollections(context: Context): Promise<Doc> {
  const { args, db } = context;
  const filter = compileFilter(args.doc('filter'));
  const describe = ({ name, options, uuid, indexes }: Collection) => {
    const more = { options, info: { readOnly: false, uuid }, idIndex: indexes.get('_id_')?.spec };
    return doc({ name, type: 'collection', ...(!args.boolean('nameOnly') && more) });
  };
  const list = collectionsOf(context).map(describe).filter(filter.test);
  return listReply(context, `${db}.$cmd.listCollections`, list);
}

export const listReply = (context: Context, ns: string, list: Doc[]): Promise<Doc> =>
  cursorReply(context, ns, listSource(list), asNumber(context.args.doc('cursor').get('batchSize')) ?? FIRST_BATCH);

function listDatabases({ args, services }: Context): Doc {
  const filter = compileFilter(args.doc('filter'));
  const sizes = new Map<string, number>();
  for (const { db, bytes } of services.store.collections.values()) sizes.set(db, (sizes.get(db) ?? 0) + bytes);
  const databases = Array.from(sizes, ([name, bytes]) =>
    doc({ name, ...(!args.boolean('nameOnly') && { sizeOnDisk: BigInt(bytes), empty: bytes === 0 }) }),
  );
  return doc({ databases: databases.filter(filter.test) });
}

const options = {
  fields: `${OPTIONS.join(' ')} collation`,
  refused: `capped size max timeseries viewOn pipeline clusteredIndex changeStreamPreAndPostImages encryptedFields
    expireAfterSeconds storageEngine indexOptionDefaults index`,
  writes: true,
};

export const catalogCommands: Commands = {
  create: { ...options, inTransaction: true, run: create },
  collMod: { ...options, run: collMod },
  drop: { fields: '', writes: true, run: drop },
  dropDatabase: { fields: '', writes: true, run: dropDatabase },
  renameCollection: { fields: 'to dropTarget', writes: true, adminOnly: true, run: renameCollection },
  listCollections: { fields: 'filter nameOnly authorizedCollections cursor', run: listCollections },
  listDatabases: { fields: 'filter nameOnly authorizedDatabases', adminOnly: true, run: listDatabases },
};
