import { CommandError, fail } from '../documents/errors.ts';
import { compileSort, type Sort } from '../documents/index-keys.ts';
import { compileFilter, type Node } from '../documents/match.ts';
import { Doc, type Value } from '../documents/value.ts';
import type { Collection, Rec } from './collection.ts';
import { type Arguments, type Context, collectionOf } from './context.ts';
import { choosePlan, type Plan } from './plan.ts';
import { type Counters, scan } from './scan.ts';
import type { Transaction } from './transaction.ts';

/** A document that a query found, in the version its reader sees. `rec` is missing for a transaction's own insert. */
export interface Match {
  readonly rec: Rec | undefined;
  readonly bytes: string;
  readonly doc: Doc;
}

/** Long lists of matches hold bytes: a document is decoded anew when it is its turn. */
const lighter = (match: Match): Match => ({ ...match, doc: Doc.fromBytes(match.bytes) });
/** So many may be held decoded, and so many more than wanted are gathered before the best are chosen. */
const SPARE = 1000;

export interface QueryOptions {
  readonly filter: Node;
  readonly sort?: Sort | undefined;
  readonly skip?: number;
  readonly limit?: number;
  readonly hint?: Value | undefined;
  readonly transaction?: Transaction | undefined;
  /** performance.now() at which the operation fails with code 50. */
  readonly deadline?: number;
}

/** The event loop is given back after this much work. */
const SLICE_MS = 5;
/** The clock is read once for so many documents. */
const CHECK_EVERY = 32;

/** What a command, or one statement of a bulk, looks for. `more` is what its fields do not say. */
export function queryOf(context: Context, more: Partial<QueryOptions> = {}, args: Arguments = context.args): Query {
  const filter = args.optionalDoc('filter') ?? args.optionalDoc('query') ?? args.doc('q');
  const sort = args.doc('sort');
  return new Query(collectionOf(context), {
    filter: compileFilter(filter),
    sort: sort.first ? compileSort(sort) : undefined,
    hint: args.get('hint'),
    skip: args.count('skip'),
    transaction: context.transaction,
    deadline: context.deadline,
    ...more,
  });
}

export function findQuery(context: Context): Query {
  const { args } = context;
  const query = queryOf(context, { limit: args.count('limit') });
  const bounds = within(args);
  const { filter } = query.options;
  if (!bounds) return query;
  return queryOf(context, {
    ...query.options,
    filter: { ...filter, op: 'and', children: [filter], test: found => bounds(found) && filter.test(found) },
  });
}

/** `min` and `max`: documents whose index key lies in [min, max). */
function within(args: Arguments): ((document: Doc) => boolean) | undefined {
  const [min, max] = [args.optionalDoc('min'), args.optionalDoc('max')];
  const hint = args.get('hint');
  if (!min && !max) return undefined;
  if (!(hint instanceof Doc)) return fail(51173, 'A hint (the key of an index) must be provided when using min/max');
  const order = compileSort(hint);
  return document => !(min && order.key(document) < order.key(min)) && !(max && order.key(document) >= order.key(max));
}

export const countQuery = (context: Context): Query =>
  queryOf(context, { limit: Math.abs(context.args.optionalNumber('limit') ?? 0) });

/** A running query. It works in slices, so that a long scan does not hold up everybody else. */
export class Query {
  readonly collection: Collection | undefined;
  readonly options: QueryOptions;
  readonly plan: Plan;
  readonly counters: Counters = { keys: 0, docs: 0 };
  returned = 0;
  done = false;
  #source: Iterator<Match | undefined> | undefined;
  #toSkip: number;

  constructor(collection: Collection | undefined, options: QueryOptions) {
    this.collection = collection;
    this.options = options;
    const { limit, skip = 0, transaction } = options;
    this.#toSkip = skip;
    const planned: Plan = collection
      ? choosePlan(collection, { ...options, limit: limit ? limit + skip : 0 })
      : { ranges: [], sorted: true };
    // What only the transaction sees is put behind the scan, so the index no longer gives the order.
    const overlaid = collection && (transaction?.own.has(collection) || transaction?.before.has(collection));
    this.plan = overlaid ? { ...planned, sorted: !options.sort } : planned;
  }

  /** The documents on the way, in the versions that the reader sees. */
  *#versions(): Generator<{ rec: Rec | undefined; bytes: string }> {
    const { collection, plan, counters } = this;
    const { transaction } = this.options;
    if (!collection) return;
    for (const rec of scan(collection, plan, counters))
      if (!transaction?.shadows(collection, rec.idKey)) yield { rec, bytes: rec.bytes };
    if (transaction) yield* transaction.versions(collection);
  }

  /** Every candidate in turn: a match, or undefined for one that does not match (so that the caller can pause). */
  *#candidates(): Generator<Match | undefined> {
    for (const { rec, bytes } of this.#versions()) {
      this.counters.docs++;
      const doc = Doc.fromBytes(bytes);
      yield this.options.filter.test(doc) ? { rec, bytes, doc } : undefined;
    }
  }

  async #sorted(sort: Sort): Promise<Iterator<Match>> {
    const { skip = 0, limit = 0, deadline } = this.options;
    const kept = limit > 0 ? skip + limit : Number.POSITIVE_INFINITY;
    let found: { match: Match; key: string }[] = [];
    const cut = () => {
      found.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
      if (found.length > kept) found = found.slice(0, kept);
    };
    await sliced(this.#candidates(), deadline, match => {
      if (match) found.push({ key: sort.key(match.doc), match: lighter(match) });
      // The best few of many: what cannot be among them is thrown away early.
      if (found.length >= kept * 2 + SPARE) cut();
      return true;
    });
    cut();
    return found.map(({ match }) => match).values();
  }

  /** Hands matches to `take` until it returns false or there are no more. */
  async each(take: (match: Match) => boolean): Promise<void> {
    const { sort, limit = 0, deadline } = this.options;
    this.#source ??= sort && !this.plan.sorted ? await this.#sorted(sort) : this.#candidates();
    const exhausted = await sliced(this.#source, deadline, match => {
      if (!match || --this.#toSkip >= 0) return true;
      const more = take(match);
      this.done = ++this.returned === limit;
      return more && !this.done;
    });
    this.done ||= exhausted;
  }

  /** All matches at once, with what they were found by. */
  async found(): Promise<{ matches: Match[]; collection: Collection | undefined; options: QueryOptions }> {
    const { collection, options } = this;
    const matches: Match[] = [];
    await this.each(match => matches.push(matches.length < SPARE ? match : lighter(match)) > 0);
    return { matches, collection, options };
  }
}

/** Runs through an iterator in slices; true if it came to the end. */
async function sliced<T>(
  source: Iterator<T>,
  deadline = Number.POSITIVE_INFINITY,
  take: (item: T) => boolean,
): Promise<boolean> {
  let started = performance.now();
  for (let count = 1; ; count++) {
    const step = source.next();
    if (step.done) return true;
    if (!take(step.value)) return false;
    if (count % CHECK_EVERY !== 0) continue;
    const now = performance.now();
    if (now > deadline) throw new CommandError(50, 'operation exceeded time limit');
    if (now - started < SLICE_MS) continue;
    await new Promise<void>(setImmediate);
    started = performance.now();
  }
}
