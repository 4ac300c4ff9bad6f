import { leadingStages } from './aggregate.ts';
import { Arguments } from './arguments.ts';
import { type Context, collectionOf, deadlineOf, variablesOf } from './context.ts';
import { fail } from './errors.ts';
import { compileFilter } from './match.ts';
import type { IndexPlan, Plan } from './plan.ts';
import { Query } from './query.ts';
import { buildQuery, countQuery } from './read-commands.ts';
import { compileSort } from './sort.ts';
import { type Doc, doc, type Plain } from './value.ts';

const VERBOSITIES = new Set(['queryPlanner', 'executionStats', 'allPlansExecution']);

/** What a command would do, and with executionStats what it cost: the counts are of a real run. */
export async function explain(context: Context): Promise<Doc> {
  const { args } = context;
  const inner = args.requiredDoc('explain');
  const verbosity = args.optionalString('verbosity') ?? 'allPlansExecution';
  if (!VERBOSITIES.has(verbosity))
    return fail(9, `Enumeration value '${verbosity}' for field 'explain.verbosity' is not a valid value.`);
  const name = inner.first?.name ?? '';
  const explained: Context = { ...context, args: new Arguments(inner, name), name };
  if (name === 'aggregate') return explainPipeline(explained, explained.args.docs('pipeline'), verbosity);
  const query = queryOf(explained);
  return describe(explained, query, verbosity);
}

export async function explainAggregate(context: Context, pipeline: Doc[]): Promise<Doc> {
  return explainPipeline(context, pipeline, 'queryPlanner');
}

async function explainPipeline(context: Context, pipeline: Doc[], verbosity: string): Promise<Doc> {
  const { args } = context;
  const { rest, sort, ...leading } = leadingStages(pipeline, variablesOf(args));
  const query = new Query(collectionOf(context), {
    ...leading,
    sort,
    hint: args.get('hint'),
    ...deadlineOf(context),
  });
  const described = await describe(context, query, verbosity);
  if (rest.length === 0) return described;
  return doc({ stages: [doc({ $cursor: described }), ...rest], command: args.body });
}

function queryOf(context: Context): Query {
  const { args, name } = context;
  const collection = () => collectionOf(context);
  switch (name) {
    case 'find':
      return buildQuery(context);
    case 'count':
      return countQuery(context);
    case 'distinct':
      return new Query(collection(), { filter: compileFilter(args.doc('query')), hint: args.get('hint') });
    case 'findAndModify':
    case 'findandmodify': {
      const sort = args.optionalDoc('sort');
      return new Query(collection(), {
        filter: compileFilter(args.doc('query')),
        hint: args.get('hint'),
        sort: sort?.first && compileSort(sort),
        limit: 1,
      });
    }
    case 'update':
    case 'delete': {
      const [statement] = args.docs(name === 'update' ? 'updates' : 'deletes');
      if (!statement) return fail(9, 'explained write batches must be of size 1');
      const inner = new Arguments(statement, name);
      const one = name === 'update' ? !inner.boolean('multi') : inner.optionalNumber('limit') === 1;
      return new Query(collection(), {
        filter: compileFilter(inner.doc('q')),
        hint: inner.get('hint'),
        limit: one ? 1 : 0,
      });
    }
    default:
      return fail(59, `Explain failed due to unknown command: ${name}`);
  }
}

async function describe(context: Context, query: Query, verbosity: string): Promise<Doc> {
  const { args, db, services } = context;
  const plan = winningPlan(context, query);
  const reply = doc({
    explainVersion: '1',
    queryPlanner: {
      namespace: `${db}.${args.collection()}`,
      indexFilterSet: false,
      parsedQuery: args.optionalDoc('filter') ?? args.doc('query'),
      maxIndexedOrSolutionsReached: false,
      winningPlan: plan,
      rejectedPlans: [],
    },
  });
  if (verbosity !== 'queryPlanner') {
    const started = performance.now();
    await query.each(() => true);
    const { keys, docs } = query.counters;
    reply.set(
      'executionStats',
      doc({
        executionSuccess: true,
        nReturned: query.returned,
        executionTimeMillis: Math.round(performance.now() - started),
        totalKeysExamined: keys,
        totalDocsExamined: docs,
        executionStages: { ...plan, nReturned: query.returned, keysExamined: keys, docsExamined: docs },
      }),
    );
  }
  reply.set('command', args.body);
  return reply.set('serverInfo', doc({ host: services.topology.address, version: '7.0.0' }));
}

type Stage = Record<string, Plain>;

function winningPlan({ args, name }: Context, query: Query): Stage {
  const { sort, limit = 0, skip = 0 } = query.options;
  let stage: Stage = query.collection ? accessStage(query.plan, args) : { stage: 'EOF' };
  if (sort && !query.plan.sorted)
    stage = {
      stage: 'SORT',
      sortPattern: doc(Object.fromEntries(sort.fields.map(field => [field.path, field.direction]))),
      memLimit: 104857600,
      type: 'simple',
      inputStage: stage,
    };
  if (skip > 0) stage = { stage: 'SKIP', skipAmount: skip, inputStage: stage };
  if (limit > 0 && name === 'find') stage = { stage: 'LIMIT', limitAmount: limit, inputStage: stage };
  const projection = args.optionalDoc('projection');
  if (projection?.first) stage = { stage: 'PROJECTION_SIMPLE', transformBy: projection, inputStage: stage };
  if (name === 'update' || name === 'delete' || name === 'count')
    stage = { stage: name.toUpperCase(), inputStage: stage };
  return stage;
}

function accessStage(plan: Plan, args: Arguments): Stage {
  if (plan.kind === 'scan')
    return {
      stage: 'COLLSCAN',
      filter: args.optionalDoc('filter') ?? args.optionalDoc('query'),
      direction: plan.backward ? 'backward' : 'forward',
    };
  if (plan.kind === 'union')
    return { stage: 'FETCH', inputStage: { stage: 'OR', inputStages: plan.branches.map(indexStage) } };
  const filter = args.optionalDoc('filter');
  if (
    plan.index.name === '_id_' &&
    filter?.fields.length === 1 &&
    plan.ranges[0]?.length === 1 &&
    plan.ranges[0][0]?.point
  )
    return { stage: 'IDHACK' };
  return { stage: 'FETCH', inputStage: indexStage(plan) };
}

function indexStage({ index, ranges, backward }: IndexPlan): Stage {
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
    indexBounds: doc(
      Object.fromEntries(
        index.fields.map((field, i) => [
          field.path,
          ranges[i]
            ? [`${ranges[i].length} ${ranges[i].every(range => range.point) ? 'points' : 'ranges'}`]
            : ['[MinKey, MaxKey]'],
        ]),
      ),
    ),
  };
}
