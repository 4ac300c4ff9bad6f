import { type Arguments, type Context, collectionOf } from './context.ts';
import { fail } from './errors.ts';
import { compileFilter, conjunction, type Node, other } from './match.ts';
import { Query, type QueryOptions } from './query.ts';
import { compileSort } from './sort.ts';
import { Doc } from './value.ts';

/** What a command, or one statement of a bulk, looks for. `more` is what its fields do not say. */
export function queryOf(context: Context, more: Partial<QueryOptions> = {}, args = context.args): Query {
  const filter = args.optionalDoc('filter') ?? args.optionalDoc('query') ?? args.doc('q');
  const sort = args.doc('sort');
  const natural = sort.first?.name === '$natural';
  return new Query(collectionOf(context), {
    filter: compileFilter(filter, context.args.variables),
    sort: sort.first && !natural ? compileSort(sort) : undefined,
    hint: natural ? sort : args.get('hint'),
    skip: args.count('skip'),
    transaction: context.transaction,
    deadline: context.deadline,
    ...more,
  });
}

export function findQuery(context: Context): Query {
  const { args } = context;
  const limit = args.count('limit');
  const query = queryOf(context, { limit });
  const bounds = within(args);
  return bounds ? queryOf(context, { limit, filter: conjunction([query.options.filter, bounds]) }) : query;
}

/** `min` and `max`: documents whose index key lies in [min, max). */
function within(args: Arguments): Node | undefined {
  const [min, max] = [args.optionalDoc('min'), args.optionalDoc('max')];
  const hint = args.get('hint');
  if (!min && !max) return undefined;
  if (!(hint instanceof Doc)) return fail(51173, 'A hint (the key of an index) must be provided when using min/max');
  const order = compileSort(hint);
  const below = (document: Doc, bound: Doc) =>
    order.compareValues(
      order.values(document),
      order.fields.map(({ path }) => bound.get(path) ?? null),
    ) < 0;
  return other(document => !(min && below(document, min)) && !(max && !below(document, max)));
}

export const countQuery = (context: Context): Query =>
  queryOf(context, { limit: Math.abs(context.args.optionalNumber('limit') ?? 0) });
