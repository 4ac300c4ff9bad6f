import { words } from './arguments.ts';
import { ChangeStream } from './change-stream.ts';
import { type Context, collectionOf, deadlineOf, variablesOf } from './context.ts';
import type { CursorSource } from './cursors.ts';
import { fail } from './errors.ts';
import { explainAggregate } from './explain.ts';
import { docToPlain, fromObject, type PlainObject, runMingo } from './expression.ts';
import { compileGroup, type Grouping } from './group.ts';
import { labelStreamError } from './labels.ts';
import { ListSource } from './list-source.ts';
import { always, compileFilter, conjunction, type Node } from './match.ts';
import { Query } from './query.ts';
import { cursorReply, QuerySource } from './read-commands.ts';
import { compileSort, type Sort } from './sort.ts';
import { asNumber, Doc, doc, show, type Value } from './value.ts';
import { checkCollation } from './write-commands.ts';

/** Stages that mingo runs the way a real server does. */
const STAGES = new Set(
  words(`$match $sort $skip $limit $project $addFields $set $unset $group $unwind $count $facet $sortByCount
  $replaceRoot $replaceWith $redact $sample $lookup $unionWith $documents`),
);
const SINGLE = new Set(words(`$project $addFields $set $unset $unwind $replaceRoot $replaceWith $redact $match`));
const REFUSED = new Set(
  words(`$out $bucket $bucketAuto $setWindowFields $densify $fill $merge $graphLookup $geoNear $indexStats
  $collStats $planCacheStats $search $vectorSearch $listSessions $listSampledQueries $currentOp
  $listLocalSessions`),
);

/** The part of a pipeline that the query engine does itself. */
export interface Leading {
  readonly filter: Node;
  readonly sort: Sort | undefined;
  readonly skip: number;
  readonly limit: number;
  readonly rest: Doc[];
}

function checkStages(pipeline: Doc[]): void {
  pipeline.forEach((stage, index) => {
    if (stage.fields.length !== 1) fail(40323, 'A pipeline stage specification object must contain exactly one field.');
    const name = stage.first?.name as string;
    if (name === '$changeStream') {
      if (index > 0) fail(40602, '$changeStream is only valid as the first stage in a pipeline');
    } else if (REFUSED.has(name)) fail(115, `${name} is not supported by this server`);
    else if (!STAGES.has(name)) fail(40324, `Unrecognized pipeline stage name: '${name}'`);
  });
}

/** Takes $match, $sort, $skip and $limit from the front as far as one query can express them. */
export function leadingStages(pipeline: Doc[], variables: PlainObject | undefined): Leading {
  const filters: Node[] = [];
  let sort: Sort | undefined;
  let skip = 0;
  let limit = 0;
  let at = 0;
  for (; at < pipeline.length; at++) {
    const { name, value } = (pipeline[at] as Doc).first as { name: string; value: Value };
    if (name === '$match' && !skip && !limit) {
      if (!(value instanceof Doc)) fail(15959, 'the match filter must be an expression in an object');
      filters.push(compileFilter(value as Doc, variables));
    } else if (name === '$sort' && !sort && !skip && !limit && value instanceof Doc && value.first)
      sort = compileSort(value);
    else if (name === '$skip' && !limit) skip += whole(value, '$skip', 15956, 0);
    else if (name === '$limit' && !limit) limit = whole(value, '$limit', 15958, 1);
    else break;
  }
  return { filter: filters.length ? conjunction(filters) : always, sort, skip, limit, rest: pipeline.slice(at) };
}

function whole(value: Value, name: string, code: number, least: number): number {
  const number = asNumber(value);
  if (number === undefined || !Number.isInteger(number))
    return fail(5107200, `invalid argument to ${name} stage: Expected an integer: ${name}: ${show(value)}`);
  return number >= least ? number : fail(code, `the ${name.slice(1)} must be ${least ? 'positive' : 'non-negative'}`);
}

export async function aggregateCommand(context: Context): Promise<Doc> {
  const { args, db } = context;
  const pipeline = args.docs('pipeline');
  checkCollation(args);
  if (args.boolean('explain')) return explainAggregate(context, pipeline);
  const cursor =
    args.optionalDoc('cursor') ??
    fail(9, "The 'cursor' option is required, except for aggregate with the explain argument");
  checkStages(pipeline);
  const size = asNumber(cursor.get('batchSize')) ?? 101;
  const target = args.body.first?.value;
  if (typeof target !== 'string' && asNumber(target) !== 1)
    return fail(9, "Invalid command format: the 'aggregate' field must specify a collection name or 1");
  const ns = `${db}.${typeof target === 'string' ? args.collection() : '$cmd.aggregate'}`;
  if (pipeline[0]?.first?.name === '$changeStream') return openStream(context, pipeline, ns, size);
  return cursorReply(context, ns, await sourceOf(context, pipeline, ns), size);
}

async function openStream(context: Context, pipeline: Doc[], ns: string, size: number): Promise<Doc> {
  const { args, db, session } = context;
  if (session?.transaction)
    fail(
      263,
      'Operation not permitted in transaction :: caused by :: Aggregation stage $changeStream cannot run within a multi-document transaction',
    );
  const collection = args.body.first?.value;
  const options = pipeline[0]?.first?.value;
  const wholeCluster = options instanceof Doc && options.get('allChangesForCluster') === true;
  if (wholeCluster && db !== 'admin')
    fail(72, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database");
  const watched = {
    db: wholeCluster ? undefined : db,
    collection: typeof collection === 'string' ? collection : undefined,
  };
  try {
    return await cursorReply(context, ns, new ChangeStream(context.services, watched, pipeline), size === 0 ? 1 : size);
  } catch (error) {
    labelStreamError(error);
    throw error;
  }
}

async function sourceOf(context: Context, pipeline: Doc[], _ns: string): Promise<CursorSource> {
  const { args, db, session } = context;
  const variables = variablesOf(args);
  const documents = pipeline[0]?.first?.name === '$documents' ? pipeline[0].first.value : undefined;
  if (documents !== undefined) {
    const items = runMingo([{}], [docToPlain(doc({ $project: { list: documents } }))], variables)[0]
      ?.list as PlainObject[];
    return new ListSource(runMingo(items, pipeline.slice(1).map(docToPlain), variables).map(fromObject));
  }
  if (typeof args.body.first?.value !== 'string')
    return fail(73, `{aggregate: 1} is not valid for '${String(pipeline[0]?.first?.name)}'; a collection is required.`);
  const { rest, sort, ...leading } = leadingStages(pipeline, variables);
  const query = new Query(collectionOf(context), {
    ...leading,
    sort,
    hint: args.get('hint'),
    transaction: session?.transaction,
    ...deadlineOf(context),
  });
  if (rest.length === 0) return new QuerySource(query, undefined);
  const grouping = rest[0]?.first?.name === '$group' ? compileGroup(rest[0].first.value) : undefined;
  const { input, stages } = grouping ? await grouped(query, grouping, rest) : await transformed(query, rest, variables);
  if (stages.length === 0) return new ListSource(input);
  // mingo would make a document with 0 of nothing.
  if (stages.at(-1)?.first?.name === '$count' && input.length === 0) return new ListSource([]);
  const others = otherCollections(context, db, stages);
  return new ListSource(runMingo(input.map(docToPlain), stages.map(docToPlain), variables, others).map(fromObject));
}

async function grouped(query: Query, grouping: Grouping, rest: Doc[]): Promise<{ input: Doc[]; stages: Doc[] }> {
  await query.each(match => {
    grouping.add(match.doc);
    return true;
  });
  return { input: grouping.results(), stages: rest.slice(1) };
}

/** Stages that look at one document at a time run with the query, so that its slices are theirs too. */
async function transformed(
  query: Query,
  rest: Doc[],
  variables: PlainObject | undefined,
): Promise<{ input: Doc[]; stages: Doc[] }> {
  const one = rest.findIndex(stage => !SINGLE.has(stage.first?.name ?? ''));
  const singles = (one < 0 ? rest : rest.slice(0, one)).map(docToPlain);
  const input: Doc[] = [];
  await query.each(match => {
    if (singles.length === 0) input.push(match.doc);
    else for (const result of runMingo([docToPlain(match.doc)], singles, variables)) input.push(fromObject(result));
    return true;
  });
  return { input, stages: one < 0 ? [] : rest.slice(one) };
}

/** What $lookup and $unionWith may read. */
function otherCollections(
  { services }: Context,
  db: string,
  stages: Doc[],
): ((name: string) => PlainObject[]) | undefined {
  if (!stages.some(stage => ['$lookup', '$unionWith', '$facet'].includes(stage.first?.name ?? ''))) return undefined;
  return name =>
    [...(services.store.find(`${db}.${name}`)?.records.values() ?? [])].map(rec =>
      docToPlain(Doc.fromBytes(rec.bytes)),
    );
}
