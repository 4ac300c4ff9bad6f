import { ChangeStream } from './change-stream.ts';
import { type Context, collectionOf, words } from './context.ts';
import { type CursorSource, cursorReply, FIRST_BATCH, listSource, sourceOf } from './cursors.ts';
import { fail } from './errors.ts';
import { explainAggregate } from './explain.ts';
import { docToPlain, fromObject, type PlainObject, runMingo } from './expression.ts';
import { compileGroup } from './group.ts';
import { always, compileFilter, conjunction, type Node } from './match.ts';
import { Query } from './query.ts';
import { compileSort, type Sort } from './sort.ts';
import { asNumber, Doc, doc, show, type Value } from './value.ts';

/** Stages that mingo runs the way a real server does; the first of them look at one document at a time. */
const SINGLE = new Set(words(`$project $addFields $set $unset $unwind $replaceRoot $replaceWith $redact $match`));
const STAGES = new Set([
  ...SINGLE,
  ...words(`$sort $skip $limit $group $count $facet $sortByCount $sample $lookup $unionWith $documents`),
]);
const REFUSED = new Set(
  words(`$out $bucket $bucketAuto $setWindowFields $densify $fill $merge $graphLookup $geoNear $indexStats
  $collStats $planCacheStats $search $vectorSearch $listSessions $listSampledQueries $currentOp
  $listLocalSessions`),
);

const nameOf = (stage: Doc | undefined): string => stage?.first?.name ?? '';

function checkStages(pipeline: Doc[]): void {
  pipeline.forEach((stage, index) => {
    const name = nameOf(stage);
    if (stage.fields.length !== 1) fail(40323, 'A pipeline stage specification object must contain exactly one field.');
    if (REFUSED.has(name)) fail(115, `${name} is not supported by this server`);
    if (name === '$changeStream' && index > 0) fail(40602, `${name} is only valid as the first stage in a pipeline`);
    if (name !== '$changeStream' && !STAGES.has(name)) fail(40324, `Unrecognized pipeline stage name: '${name}'`);
  });
}

/** The query that does $match, $sort, $skip and $limit from the front of a pipeline, and the stages that are left. */
export function pipelineQuery(context: Context): { query: Query; rest: Doc[] } {
  const { args, transaction, deadline } = context;
  const { variables } = args;
  const pipeline = args.docs('pipeline');
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
  const filter = filters.length ? conjunction(filters) : always;
  const options = { filter, sort, skip, limit, hint: args.get('hint'), transaction, deadline };
  return { query: new Query(collectionOf(context), options), rest: pipeline.slice(at) };
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
  if (args.boolean('explain')) return explainAggregate(context);
  const cursor = args.optionalDoc('cursor');
  if (!cursor) return fail(9, "The 'cursor' option is required, except for aggregate with the explain argument");
  checkStages(pipeline);
  const size = asNumber(cursor.get('batchSize')) ?? FIRST_BATCH;
  const target = args.body.first?.value;
  if (typeof target !== 'string' && asNumber(target) !== 1)
    return fail(9, "Invalid command format: the 'aggregate' field must specify a collection name or 1");
  const collection = typeof target === 'string' ? args.collection() : undefined;
  const ns = `${db}.${collection ?? '$cmd.aggregate'}`;
  if (nameOf(pipeline[0]) === '$changeStream') return openStream(context, pipeline, collection, ns, size || 1);
  const documents = nameOf(pipeline[0]) === '$documents' ? pipeline[0]?.first?.value : undefined;
  if (collection === undefined && !documents) fail(73, `'${nameOf(pipeline[0])}' is not valid without a collection`);
  const source = documents ? literal(documents, pipeline, args.variables) : await results(context);
  return cursorReply(context, ns, source, size);
}

async function openStream(
  context: Context,
  pipeline: Doc[],
  collection: string | undefined,
  ns: string,
  size: number,
): Promise<Doc> {
  const { db, transaction, services } = context;
  if (transaction) fail(263, 'Aggregation stage $changeStream cannot run within a multi-document transaction');
  const options = pipeline[0]?.first?.value;
  const everything = options instanceof Doc && options.get('allChangesForCluster') === true;
  if (everything && db !== 'admin')
    fail(72, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database");
  context.streams = true;
  const stream = new ChangeStream(services, everything ? '' : `${db}.${collection ?? ''}`, pipeline);
  return cursorReply(context, ns, stream, size);
}

/** `$documents`: a pipeline over documents that stand in it. */
function literal(documents: Value, pipeline: Doc[], variables: PlainObject | undefined): CursorSource {
  const [held] = runMingo([{}], [docToPlain(doc({ $project: { list: documents } }))], variables);
  return listSource(run(held?.list as PlainObject[], pipeline.slice(1).map(docToPlain), variables));
}

const run = (input: PlainObject[], stages: PlainObject[], ...more: [PlainObject | undefined, Others?]): Doc[] =>
  runMingo(input, stages, ...more).map(fromObject);

async function results(context: Context): Promise<CursorSource> {
  const { query, rest } = pipelineQuery(context);
  const { variables } = context.args;
  if (rest.length === 0) return sourceOf(query);
  const grouping = nameOf(rest[0]) === '$group' ? compileGroup(rest[0]?.first?.value as Value) : undefined;
  // Stages that look at one document at a time run with the query, so that its slices are theirs too.
  const stop = grouping ? 1 : rest.findIndex(stage => !SINGLE.has(nameOf(stage)));
  const singles = (stop < 0 ? rest : rest.slice(0, stop)).map(docToPlain);
  const stages = stop < 0 ? [] : rest.slice(stop);
  let input: Doc[] = [];
  await query.each(({ doc: document }) => {
    if (grouping) grouping.add(document);
    else if (singles.length === 0) input.push(document);
    else input.push(...run([docToPlain(document)], singles, variables));
    return true;
  });
  if (grouping) input = grouping.results();
  // mingo would make a document with 0 of nothing.
  if (nameOf(stages.at(-1)) === '$count' && input.length === 0) return listSource([]);
  if (stages.length) input = run(input.map(docToPlain), stages.map(docToPlain), variables, otherCollections(context));
  return listSource(input);
}

type Others = (name: string) => PlainObject[];

/** What $lookup and $unionWith read. */
const otherCollections =
  ({ services, db }: Context): Others =>
  name => {
    const records = services.store.find(`${db}.${name}`)?.records.values() ?? [];
    return Array.from(records, rec => docToPlain(Doc.fromBytes(rec.bytes)));
  };
