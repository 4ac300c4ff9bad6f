import { words } from './arguments.ts';
import { checkNamespace } from './catalog-commands.ts';
import type { Collection, Index } from './collection.ts';
import { type Commands, type Context, collectionOf } from './context.ts';
import { fail } from './errors.ts';
import { ListSource } from './list-source.ts';
import { cursorReply } from './read-commands.ts';
import { asNumber, Doc, doc, show, truthy, type Value } from './value.ts';
import { equal } from './value-order.ts';
import { writing } from './write-commands.ts';

const SPEC_FIELDS = new Set(
  words(`key name unique sparse partialFilterExpression expireAfterSeconds background v hidden collation ns`),
);
const PARTIAL_OPERATORS = new Set(words(`$eq $exists $gt $gte $lt $lte $type $and $or $in`));
const MOST_INDEXES = 64;

/** A spec as it is stored: checked, in MongoDB's order of fields. */
function normalize(spec: Doc): Doc {
  for (const { name } of spec.fields)
    if (!SPEC_FIELDS.has(name)) fail(197, `The field '${name}' is not valid for an index specification.`);
  const key = spec.get('key');
  if (!(key instanceof Doc) || !key.first) return fail(67, 'Index keys cannot be empty.');
  for (const { name, value } of key.fields) {
    if (typeof value === 'string') fail(value === '' ? 67 : 115, `${value} indexes are not supported by this server`);
    const direction = asNumber(value);
    if (direction === undefined || direction === 0 || Number.isNaN(direction))
      fail(67, 'Values in v:2 index key pattern cannot be of type other than a number other than 0');
    if (name === '' || name.split('.').includes('') || name.startsWith('$'))
      fail(67, `Index key contains an illegal field name: '${name}'.`);
    if (name.includes('$**')) fail(115, 'wildcard indexes are not supported by this server');
  }
  const name = spec.get('name');
  if (typeof name !== 'string' || name === '')
    return fail(9, "The 'name' field is a required property of an index specification");
  const locale = (spec.get('collation') as Doc | undefined)?.get('locale');
  if (locale !== undefined && locale !== 'simple')
    fail(115, 'collations other than simple are not supported by this server');
  if (truthy(spec.get('hidden'))) fail(115, 'hidden indexes are not supported by this server');
  const seconds = spec.get('expireAfterSeconds');
  if (seconds !== undefined) {
    const number = asNumber(seconds);
    if (number === undefined || number < 0 || number > 2147483647)
      fail(67, 'TTL index expireAfterSeconds option must be within an acceptable range');
    if (key.fields.length > 1) fail(67, 'TTL indexes are single-field indexes, compound indexes do not support TTL.');
    if ((asNumber(key.first.value) ?? 1) < 0) fail(115, 'descending TTL indexes are not supported by this server');
    if (key.first.name === '_id')
      fail(197, "The field 'expireAfterSeconds' is not valid for an _id index specification.");
  }
  return assemble(spec, key, name, seconds);
}

function assemble(spec: Doc, key: Doc, name: string, seconds: Value | undefined): Doc {
  const partial = spec.get('partialFilterExpression');
  if (partial !== undefined) checkPartial(partial);
  if (partial !== undefined && truthy(spec.get('sparse')))
    fail(67, 'cannot mix "partialFilterExpression" and "sparse" options');
  return doc({
    v: 2,
    key,
    name,
    ...(truthy(spec.get('unique')) && { unique: true }),
    ...(truthy(spec.get('sparse')) && { sparse: true }),
    ...(seconds !== undefined && { expireAfterSeconds: seconds }),
    ...(partial !== undefined && { partialFilterExpression: partial }),
  });
}

function checkPartial(partial: Value): void {
  if (!(partial instanceof Doc)) fail(67, 'partialFilterExpression for an index must be a document');
  const walk = (value: Value): void => {
    if (Array.isArray(value)) value.forEach(walk);
    if (!(value instanceof Doc)) return;
    for (const field of value.fields) {
      if (field.name.startsWith('$') && !PARTIAL_OPERATORS.has(field.name))
        fail(67, `unsupported expression in partial index: ${field.name}`);
      if (field.name === '$exists' && !truthy(field.value))
        fail(67, 'unsupported expression in partial index: $exists: false');
      walk(field.value);
    }
  };
  walk(partial);
}

/** What makes two indexes different; a name alone does not. */
const OPTIONS = ['unique', 'sparse', 'partialFilterExpression', 'expireAfterSeconds'];

/** True if the same index is there already; an error if one is in its way. */
function exists(collection: Collection, spec: Doc): boolean {
  const key = spec.get('key') as Doc;
  const name = spec.get('name') as string;
  for (const { spec: known } of collection.indexes.values()) {
    const sameKey =
      equal(known.get('key') as Doc, key) &&
      equal(known.get('partialFilterExpression') ?? null, spec.get('partialFilterExpression') ?? null);
    const sameOptions = OPTIONS.every(option => equal(known.get(option) ?? null, spec.get(option) ?? null));
    const sameName = known.get('name') === name;
    if (key.fields.length === 1 && key.first?.name === '_id' && known.get('name') === '_id_') return true;
    if (sameKey && sameOptions && sameName) return true;
    if (sameKey && sameOptions)
      return fail(85, `Index already exists with a different name: ${show(known.get('name'))}`);
    if (sameKey)
      return fail(
        sameName ? 86 : 85,
        `An equivalent index already exists with the same name but different options. Requested index: ${name}, existing index: ${show(known.get('name'))}`,
      );
    if (sameName)
      return fail(
        86,
        `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Requested index: ${name}`,
      );
  }
  return false;
}

async function createIndexes(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  const name = args.collection();
  checkNamespace(db, name);
  const specs = args.docs('indexes').map(normalize);
  if (specs.length === 0) return fail(2, 'Must specify at least one index to create');
  return writing(context, async batch => {
    const known = collectionOf(context);
    const collection = known ?? services.store.make(batch, db, name);
    const before = collection.indexes.size;
    // What an open transaction has written is in no index yet, so a unique one could not see it.
    for (const transaction of services.store.openTransactions) {
      if (transaction.own.has(collection)) await services.store.waitFor(batch, transaction, context.deadline);
    }
    for (const spec of specs) {
      if (exists(collection, spec)) continue;
      if (collection.indexes.size >= MOST_INDEXES) fail(67, `add index fails, too many indexes for ${collection.ns}`);
      await services.store.addIndex(batch, collection, spec);
    }
    const after = collection.indexes.size;
    return doc({
      numIndexesBefore: before,
      numIndexesAfter: after,
      createdCollectionAutomatically: !known,
      note: after === before ? 'all indexes already exist' : undefined,
    });
  });
}

async function listIndexes(context: Context): Promise<Doc> {
  const { args, db } = context;
  const ns = `${db}.${args.collection()}`;
  const collection = collectionOf(context) ?? fail(26, `ns does not exist: ${ns}`);
  const size = asNumber(args.doc('cursor').get('batchSize')) ?? 101;
  return cursorReply(context, ns, new ListSource([...collection.indexes.values()].map(index => index.spec)), size);
}

async function dropIndexes(context: Context): Promise<Doc> {
  const { args, db, services } = context;
  const ns = `${db}.${args.collection()}`;
  return writing(context, async batch => {
    const collection = collectionOf(context) ?? fail(26, `ns not found ${ns}`);
    const before = collection.indexes.size;
    const wanted = args.get('index') ?? args.missing('index');
    for (const index of chosen(collection, wanted)) services.store.dropIndex(batch, collection, index.name);
    return doc({ nIndexesWas: before });
  });
}

function chosen(collection: Collection, wanted: Value): Index[] {
  const all = [...collection.indexes.values()];
  if (wanted === '*') return all.filter(index => index.name !== '_id_');
  if (Array.isArray(wanted)) return wanted.flatMap(name => chosen(collection, name));
  const found = all.find(index =>
    wanted instanceof Doc ? equal(index.spec.get('key') as Doc, wanted) : index.name === wanted,
  );
  if (!found)
    return fail(
      27,
      wanted instanceof Doc ? `can't find index with key` : `index not found with name [${show(wanted)}]`,
    );
  if (found.name === '_id_') return fail(72, 'cannot drop _id index');
  return [found];
}

export const indexCommands: Commands = {
  createIndexes: { fields: ['indexes', 'commitQuorum', 'ignoreUnknownIndexOptions'], writes: true, run: createIndexes },
  listIndexes: { fields: ['cursor', 'includeBuildUUIDs', 'includeIndexBuildInfo'], run: listIndexes },
  dropIndexes: { fields: ['index'], writes: true, run: dropIndexes },
  deleteIndexes: { fields: ['index'], writes: true, run: dropIndexes },
};
