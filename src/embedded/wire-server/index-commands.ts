import { listReply, required } from './catalog-commands.ts';
import { type Collection, findIndex, Index } from './collection.ts';
import { type Commands, type Context, collectionOf, words } from './context.ts';
import { fail } from './errors.ts';
import { asNumber, Doc, doc, show, truthy, type Value } from './value.ts';
import { equal } from './value-order.ts';
import { targetCollection, writing } from './write-commands.ts';

const SPEC_FIELDS = new Set(
  words('key name unique sparse partialFilterExpression expireAfterSeconds background v hidden collation ns'),
);
const PARTIAL_OPERATORS = new Set(words('$eq $exists $gt $gte $lt $lte $type $and $or $in'));
const MOST_INDEXES = 64;

/** A spec as it is stored: checked, in MongoDB's order of fields. */
function normalize(spec: Doc): Doc {
  for (const { name } of spec.fields)
    if (!SPEC_FIELDS.has(name)) fail(197, `The field '${name}' is not valid for an index specification.`);
  const key = checkedKey(spec.get('key'));
  const name = spec.get('name');
  if (typeof name !== 'string' || name === '')
    fail(9, "The 'name' field is a required property of an index specification");
  const locale = (spec.get('collation') as Doc | undefined)?.get('locale');
  if ((locale !== undefined && locale !== 'simple') || truthy(spec.get('hidden')))
    fail(115, 'hidden indexes and collations other than simple are not supported by this server');
  const seconds = spec.get('expireAfterSeconds');
  if (seconds !== undefined) checkTtl(key, asNumber(seconds));
  const partial = spec.get('partialFilterExpression');
  if (partial !== undefined) checkPartial(partial);
  const [unique, sparse] = ['unique', 'sparse'].map(option => truthy(spec.get(option)) || undefined);
  if (partial !== undefined && sparse) fail(67, 'cannot mix "partialFilterExpression" and "sparse" options');
  return doc({ v: 2, key, name, unique, sparse, expireAfterSeconds: seconds, partialFilterExpression: partial });
}

function checkedKey(key: Value | undefined): Doc {
  if (!(key instanceof Doc) || !key.first) return fail(67, 'Index keys cannot be empty.');
  for (const { name, value } of key.fields) {
    if (typeof value === 'string') fail(value === '' ? 67 : 115, `${value} indexes are not supported by this server`);
    if (!asNumber(value))
      fail(67, 'Values in v:2 index key pattern cannot be of type other than a number other than 0');
    if (name.includes('$**')) fail(115, 'wildcard indexes are not supported by this server');
    if (name.split('.').includes('') || name.startsWith('$'))
      fail(67, `Index key contains an illegal field name: '${name}'.`);
  }
  return key;
}

function checkTtl({ fields, first }: Doc, seconds: number | undefined): void {
  if (seconds === undefined || !(seconds >= 0 && seconds <= 2147483647))
    fail(67, 'TTL index expireAfterSeconds option must be within an acceptable range');
  if (fields.length > 1) fail(67, 'TTL indexes are single-field indexes, compound indexes do not support TTL.');
  if ((asNumber(first?.value) ?? 1) < 0) fail(115, 'descending TTL indexes are not supported by this server');
  if (first?.name === '_id') fail(197, "The field 'expireAfterSeconds' is not valid for an _id index specification.");
}

function checkPartial(partial: Value): void {
  if (!(partial instanceof Doc)) fail(67, 'partialFilterExpression for an index must be a document');
  const walk = (value: Value): void => {
    if (Array.isArray(value)) value.forEach(walk);
    if (!(value instanceof Doc)) return;
    for (const { name, value: operand } of value.fields) {
      if ((name.startsWith('$') && !PARTIAL_OPERATORS.has(name)) || (name === '$exists' && !truthy(operand)))
        fail(67, `unsupported expression in partial index: ${name}: ${show(operand)}`);
      walk(operand);
    }
  };
  walk(partial);
}

/** What makes two indexes different; a name alone does not. */
const OPTIONS = words('unique sparse partialFilterExpression expireAfterSeconds');

/** True if the same index is there already; an error if one is in its way. */
function exists(collection: Collection, spec: Doc): boolean {
  const name = spec.get('name');
  for (const { spec: known } of collection.indexes.values()) {
    const same = (option: string) => equal(known.get(option) ?? null, spec.get(option) ?? null);
    const sameKey = same('key') && same('partialFilterExpression');
    const sameOptions = OPTIONS.every(same);
    if (known.get('name') === '_id_' && same('key')) return true;
    if (sameKey && sameOptions && same('name')) return true;
    const found = show(known.get('name'));
    if (sameKey && sameOptions) fail(85, `Index already exists with a different name: ${found}`);
    if (sameKey) fail(same('name') ? 86 : 85, `An equivalent index ${found} already exists with different options`);
    if (same('name')) fail(86, `An existing index has the same name as the requested index: ${show(name)}`);
  }
  return false;
}

async function createIndexes(context: Context): Promise<Doc> {
  const { args, services, deadline } = context;
  const { store } = services;
  const specs = args.docs('indexes').map(normalize);
  if (specs.length === 0) return fail(2, 'Must specify at least one index to create');
  return writing(context, async batch => {
    const isNew = !collectionOf(context);
    const collection = targetCollection(context, batch);
    const { ns, indexes } = collection;
    const before = indexes.size;
    // What an open transaction has written is in no index yet, so a new unique one could not see it. Indexes that are there
    // wait for nobody: a process that starts must not wait for the transaction of one that was killed.
    if (!specs.every(spec => exists(collection, spec)))
      for (const transaction of store.openTransactions)
        if (transaction.own.has(collection)) await store.waitFor(batch, transaction, deadline);
    for (const spec of specs) {
      if (exists(collection, spec)) continue;
      if (indexes.size >= MOST_INDEXES) fail(67, `add index fails, too many indexes for ${ns}`);
      // No other writer has its turn meanwhile; readers see the index when it is complete.
      const index = new Index(spec);
      await collection.build([index]);
      store.change(batch, 'index', ns, spec, index);
    }
    return doc({
      numIndexesBefore: before,
      numIndexesAfter: indexes.size,
      createdCollectionAutomatically: isNew,
      note: before === indexes.size ? 'all indexes already exist' : undefined,
    });
  });
}

function listIndexes(context: Context): Promise<Doc> {
  const { ns, indexes } = required(context);
  const specs = Array.from(indexes.values(), index => index.spec);
  return listReply(context, ns, specs);
}

const dropIndexes = (context: Context): Promise<Doc> =>
  writing(context, async batch => {
    const { args, services } = context;
    const collection = required(context);
    const nIndexesWas = collection.indexes.size;
    for (const { name } of chosen(collection, args.get('index') ?? args.missing('index')))
      services.store.change(batch, 'unindex', collection.ns, doc({ name }));
    return doc({ nIndexesWas });
  });

function chosen(collection: Collection, wanted: Value): Index[] {
  if (wanted === '*') return [...collection.indexes.values()].filter(index => index.name !== '_id_');
  const found = findIndex(collection, wanted);
  if (!found) return fail(27, `index not found with name or key [${show(wanted)}]`);
  return found.name === '_id_' ? fail(72, 'cannot drop _id index') : [found];
}

export const indexCommands: Commands = {
  createIndexes: { fields: 'indexes commitQuorum ignoreUnknownIndexOptions', writes: true, run: createIndexes },
  listIndexes: { fields: 'cursor includeBuildUUIDs includeIndexBuildInfo', run: listIndexes },
  dropIndexes: { fields: 'index', writes: true, run: dropIndexes },
};
