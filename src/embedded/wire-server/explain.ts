import { fail, unsupported } from '../documents/errors.ts';
import { isPoint } from '../documents/key-ranges.ts';
import { asText, type Doc, doc, type Plain } from '../documents/value.ts';
import { pipelineQuery } from './aggregate.ts';
import { Arguments, type Context } from './context.ts';
import { countQuery, findQuery, type Query } from './query.ts';

type Stage = Record<string, Plain>;

const VERBOSITIES = ['queryPlanner', 'executionStats', 'allPlansExecution'];

const QUERIES: Record<string, (context: Context) => Query> = {
  find: findQuery,
  count: countQuery,
  aggregate: context => pipelineQuery(context).query,
};

/** What a command would do, and with executionStats what it cost: the counts are of a real run. */
export async function explain(context: Context): Promise<Doc> {
  const inner = context.args.requiredDoc('explain');
  const verbosity = asText(context.args.get('verbosity') ?? 'allPlansExecution');
  if (!VERBOSITIES.includes(verbosity))
    return fail(9, `Enumeration value '${verbosity}' for field 'explain.verbosity' is not a valid value.`);
  const name = inner.first?.name ?? '';
  const args = new Arguments(inner, name);
  const make = Object.hasOwn(QUERIES, name) ? QUERIES[name] : undefined;
  if (!make) return unsupported(`explain of ${name}`);
  const query = make({ ...context, args, name });
  const winningPlan = planStages(query);
  const started = performance.now();
  if (verbosity !== 'queryPlanner') await query.each(() => true);
  const { returned: nReturned, counters } = query;
  const examined = { nReturned, keysExamined: counters.keys, docsExamined: counters.docs };
  const executionStats = {
    executionSuccess: true,
    nReturned,
    executionTimeMillis: Math.round(performance.now() - started),
    totalKeysExamined: counters.keys,
    totalDocsExamined: counters.docs,
    executionStages: { ...winningPlan, ...examined },
  };
  return doc({
    explainVersion: '1',
    queryPlanner: { namespace: `${context.db}.${args.collection()}`, winningPlan, rejectedPlans: [] },
    executionStats: verbosity === 'queryPlanner' ? undefined : executionStats,
    command: inner,
  });
}

function planStages({ plan, options, collection }: Query): Stage {
  const { sort, limit = 0, skip = 0 } = options;
  let stage: Stage = { stage: 'COLLSCAN', direction: 'forward' };
  if (plan.index) {
    const { index, ranges } = plan;
    const bounds = index.fields.map(({ path }, i) => {
      const kind = ranges[i]?.every(isPoint) ? 'points' : 'ranges';
      return [path, [ranges[i] ? `${ranges[i].length} ${kind}` : '[MinKey, MaxKey]']];
    });
    const inputStage = {
      stage: 'IXSCAN',
      keyPattern: index.spec.get('key'),
      indexName: index.name,
      isMultiKey: index.multikey,
      direction: 'forward',
      indexBounds: Object.fromEntries(bounds),
    };
    stage = { stage: 'FETCH', inputStage };
  }
  if (!collection) stage = { stage: 'EOF' };
  if (sort && !plan.sorted) {
    const sortPattern = Object.fromEntries(sort.fields.map(field => [field.path, field.descending ? -1 : 1]));
    stage = { stage: 'SORT', sortPattern, type: 'simple', inputStage: stage };
  }
  if (skip > 0) stage = { stage: 'SKIP', skipAmount: skip, inputStage: stage };
  if (limit > 0) stage = { stage: 'LIMIT', limitAmount: limit, inputStage: stage };
  return stage;
}
