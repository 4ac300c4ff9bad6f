import { pipelineQuery } from './aggregate.ts';
import { countQuery, findQuery, queryOf } from './command-query.ts';
import { Arguments, type Context } from './context.ts';
import { fail } from './errors.ts';
import type { IndexPlan } from './plan.ts';
import type { Query } from './query.ts';
import { type Doc, doc, type Plain } from './value.ts';

type Stage = Record<string, Plain>;

const VERBOSITIES = ['queryPlanner', 'executionStats', 'allPlansExecution'];

/** What a command would do, and with executionStats what it cost: the counts are of a real run. */
export async function explain(context: Context): Promise<Doc> {
  const { args } = context;
  const inner = args.requiredDoc('explain');
  const verbosity = args.optionalString('verbosity') ?? 'allPlansExecution';
  if (!VERBOSITIES.includes(verbosity))
    return fail(9, `Enumeration value '${verbosity}' for field 'explain.verbosity' is not a valid value.`);
  const name = inner.first?.name ?? '';
  const explained: Context = { ...context, args: new Arguments(inner, name), name };
  if (name === 'aggregate') return explainAggregate(explained, verbosity);
  const make = Object.hasOwn(QUERIES, name) ? QUERIES[name] : undefined;
  if (!make) return fail(59, `Explain failed due to unknown command: ${name}`);
  return describe(explained, make(explained), verbosity);
}

const QUERIES: Record<string, (context: Context) => Query> = {
  find: findQuery,
  count: countQuery,
  distinct: queryOf,
  findAndModify: context => queryOf(context, { limit: 1 }),
  findandmodify: context => queryOf(context, { limit: 1 }),
  update: context => statementQuery(context, 'updates', args => !args.boolean('multi')),
  delete: context => statementQuery(context, 'deletes', args => args.optionalNumber('limit') === 1),
};

function statementQuery(context: Context, list: string, one: (args: Arguments) => boolean): Query {
  const [statement, ...more] = context.args.docs(list);
  if (!statement || more.length) return fail(9, 'explained write batches must be of size 1');
  const args = new Arguments(statement, context.name);
  return queryOf(context, { limit: one(args) ? 1 : 0 }, args);
}

export async function explainAggregate(context: Context, verbosity = 'queryPlanner'): Promise<Doc> {
  const { query, rest } = pipelineQuery(context);
  const described = await describe(context, query, verbosity);
  return rest.length ? doc({ stages: [doc({ $cursor: described }), ...rest], command: context.args.body }) : described;
}

async function describe(context: Context, query: Query, verbosity: string): Promise<Doc> {
  const { args, db, services } = context;
  const winningPlan = planStages(context, query);
  const namespace = `${db}.${args.collection()}`;
  const parsedQuery = args.optionalDoc('filter') ?? args.doc('query');
  const started = performance.now();
  if (verbosity !== 'queryPlanner') await query.each(() => true);
  const { returned: nReturned, counters } = query;
  const examined = { nReturned, keysExamined: counters.keys, docsExamined: counters.docs };
  return doc({
    explainVersion: '1',
    queryPlanner: { namespace, indexFilterSet: false, parsedQuery, winningPlan, rejectedPlans: [] },
    ...(verbosity !== 'queryPlanner' && {
      executionStats: {
        executionSuccess: true,
        nReturned,
        executionTimeMillis: Math.round(performance.now() - started),
        totalKeysExamined: counters.keys,
        totalDocsExamined: counters.docs,
        executionStages: { ...winningPlan, ...examined },
      },
    }),
    command: args.body,
    serverInfo: { host: services.topology.address, version: '7.0.0' },
  });
}

function planStages({ args, name }: Context, query: Query): Stage {
  const { sort, limit = 0, skip = 0 } = query.options;
  let stage: Stage = query.collection ? accessStage(query, args) : { stage: 'EOF' };
  if (sort && !query.plan.sorted) {
    const sortPattern = Object.fromEntries(sort.fields.map(field => [field.path, field.direction]));
    stage = { stage: 'SORT', sortPattern, type: 'simple', inputStage: stage };
  }
  if (skip > 0) stage = { stage: 'SKIP', skipAmount: skip, inputStage: stage };
  if (limit > 0 && name === 'find') stage = { stage: 'LIMIT', limitAmount: limit, inputStage: stage };
  const projection = args.optionalDoc('projection');
  if (projection?.first) stage = { stage: 'PROJECTION_SIMPLE', transformBy: projection, inputStage: stage };
  const outermost = ['update', 'delete', 'count'].includes(name);
  return outermost ? { stage: name.toUpperCase(), inputStage: stage } : stage;
}

function accessStage({ plan }: Query, args: Arguments): Stage {
  const filter = args.optionalDoc('filter') ?? args.optionalDoc('query');
  if (plan.kind === 'scan') return { stage: 'COLLSCAN', filter, direction: plan.backward ? 'backward' : 'forward' };
  if (plan.kind === 'union')
    return { stage: 'FETCH', inputStage: { stage: 'OR', inputStages: plan.branches.map(indexStage) } };
  const [ids] = plan.ranges;
  const byId = plan.index.name === '_id_' && filter?.fields.length === 1 && ids?.length === 1 && ids[0]?.point;
  return byId ? { stage: 'IDHACK' } : { stage: 'FETCH', inputStage: indexStage(plan) };
}

function indexStage({ index, ranges, backward }: IndexPlan): Stage {
  const bounds = index.fields.map(({ path }, i) => {
    const kind = ranges[i]?.every(range => range.point) ? 'points' : 'ranges';
    return [path, [ranges[i] ? `${ranges[i].length} ${kind}` : '[MinKey, MaxKey]']];
  });
  return {
    stage: 'IXSCAN',
    keyPattern: index.spec.get('key'),
    indexName: index.name,
    isMultiKey: index.multikey,
    isUnique: index.unique,
    isSparse: index.sparse,
    isPartial: index.partial !== undefined,
    indexVersion: 2,
    direction: backward ? 'backward' : 'forward',
    indexBounds: Object.fromEntries(bounds),
  };
}
