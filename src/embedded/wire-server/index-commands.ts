import { fail } from '../documents/errors.ts';
import { asNumber, Doc, doc, show, truthy, type Value } from '../documents/value.ts';
import { equal } from '../documents/value-order.ts';
import { words } from '../documents/words.ts';
import { listReply, required } from './catalog-commands.ts';
import { type Collection, findIndex, Index } from './collection.ts';
import { type Commands, type Context, collectionOf } from './context.ts';
import { targetCollection, writing } from './write-commands.ts';

/** What makes two indexes different; a name alone does not. */
export const INDEX_OPTIONS = words('unique sparse partialFilterExpression expireAfterSeconds');
const SPEC_FIELDS = new Set([...INDEX_OPTIONS, ...words('key name background v hidden collation ns')]);
const PARTIAL_OPERATORS = new Set(words('$eq $exists $gt $gte $lt $lte $type $and $or $in'));
const MOST_INDEXES = 64;

const refuseIf = (applies: boolean, code: number, why: string): void => {
  if (applies) fail(code, why);
};

/** A spec as it is stored: checked, in MongoDB's order of fields. */
function normalize(spec: Doc): Doc {
  for (const { name } of spec.fields)
    refuseIf(!SPEC_FIELDS.has(name), 197, `The field '${name}' is not valid for an index specification.`);
  const [key, name] = [spec.get('key'), spec.get('name')];
  const [seconds, partial] = [spec.get('expireAfterSeconds'), spec.get('partialFilterExpression')];
  const [unique, sparse] = ['unique', 'sparse'].map(option => truthy(spec.get(option)) || undefined);
  const locale = (spec.get('collation') as Doc | undefined)?.get('locale') ?? 'simple';
  if (!(key instanceof Doc)) return fail(67, 'Index keys cannot be empty.');
  checkKey(key);
  refuseIf(typeof name !== 'string' || name === '', 9, "The 'name' field is a required property of an index");
  refuseIf(locale !== 'simple' || truthy(spec.get('hidden')), 115, 'hidden indexes and collations are not supported');
  if (seconds !== undefined) checkTtl(key, asNumber(seconds) ?? -1);
  if (partial !== undefined) checkPartial(partial);
  refuseIf(partial !== undefined && sparse === true, 67, 'cannot mix "partialFilterExpression" and "sparse" options');
  return doc({ v: 2, key, name, unique, sparse, expireAfterSeconds: seconds, partialFilterExpression: partial });
}

function checkKey({ fields }: Doc): void {
  refuseIf(fields.length === 0, 67, 'Index keys cannot be empty.');
  for (const { name, value } of fields) {
    const isKind = typeof value === 'string' && value !== '';
    refuseIf(isKind || name.includes('$**'), 115, `text, geo, hashed and wildcard indexes are not supported: ${name}`);
    refuseIf(!asNumber(value), 67, 'Values in an index key pattern cannot be of type other than a number other than 0');
    const isBadName = name.split('.').includes('') || name.startsWith('$');
    refuseIf(isBadName, 67, `Index key contains an illegal field name: '${name}'.`);
  }
}

function checkTtl({ fields, first }: Doc, seconds: number): void {
  refuseIf(!(seconds >= 0 && seconds < 2 ** 31), 67, 'TTL index expireAfterSeconds must be within an acceptable range');
  refuseIf(fields.length > 1, 67, 'TTL indexes are single-field indexes, compound indexes do not support TTL.');
  refuseIf((asNumber(first?.value) ?? 1) < 0, 115, 'descending TTL indexes are not supported by this server');
  refuseIf(first?.name === '_id', 197, "The field 'expireAfterSeconds' is not valid for an _id index specification.");
}

function checkPartial(partial: Value): void {
  refuseIf(!(partial instanceof Doc), 67, 'partialFilterExpression for an index must be a document');
  const walk = (value: Value): void => {
    if (Array.isArray(value)) value.forEach(walk);
    if (!(value instanceof Doc)) return;
    for (const { name, value: operand } of value.fields) {
      const isWrong =
        (name.startsWith('$') && !PARTIAL_OPERATORS.has(name)) || (name === '$exists' && !truthy(operand));
      refuseIf(isWrong, 67, `unsupported expression in partial index: ${name}: ${show(operand)}`);
      walk(operand);
    }
  };
  walk(partial);
}

function exists(collection: Collection, spec: Doc): boolean {
  for (const { spec: known, name } of collection.indexes.values()) {
    const same = (option: string) => equal(known.get(option) ?? null, spec.get(option) ?? null);
    const [sameName, sameKey] = [same('name'), same('key') && same('partialFilterExpression')];
    const sameOptions = INDEX_OPTIONS.every(same);
    if ((name === '_id_' && same('key')) || (sameKey && sameOptions && sameName)) return true;
    refuseIf(sameKey && sameOptions, 85, `Index already exists with a different name: ${name}`);
    refuseIf(sameKey, sameName ? 86 : 85, `An equivalent index ${name} already exists with different options`);
    refuseIf(sameName, 86, `An existing index has the same name as the requested index: ${name}`);
  }
  return false;
}

async function createIndexes(context: Context): Promise<Doc> {
  const { args, services, deadline } = context;
  const { store } = services;
  const specs = args.docs('indexes').map(normalize);
  refuseIf(specs.length === 0, 2, 'Must specify at least one index to create');
  return writing(context, async batch => {
    const createdCollectionAutomatically = !collectionOf(context);
    const collection = targetCollection(context, batch);
    const { ns, indexes } = collection;
    const numIndexesBefore = indexes.size;
    // What an open transaction has written is in no index yet, so a new unique one could not see it. Indexes that are there
    // wait for nobody: a process that starts must not wait for the transaction of one that was killed.
    const isDone = specs.every(spec => exists(collection, spec));
    for (const transaction of isDone ? [] : store.openTransactions)
      if (transaction.own.has(collection)) await store.waitFor(batch, transaction, deadline);
    for (const spec of specs) {
      if (exists(collection, spec)) continue;
      refuseIf(indexes.size >= MOST_INDEXES, 67, `add index fails, too many indexes for ${ns}`);
      // No other writer has its turn meanwhile; readers see the index when it is complete.
      const index = new Index(spec);
      await collection.build([index]);
      store.change(batch, 'index', ns, spec, index);
    }
    return doc({ numIndexesBefore, numIndexesAfter: indexes.size, createdCollectionAutomatically });
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
