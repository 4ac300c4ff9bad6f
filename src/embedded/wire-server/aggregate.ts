import { fail } from '../documents/errors.ts';
import { compileSort, type Sort } from '../documents/index-keys.ts';
import { and, type Node } from '../documents/match.ts';
import { chain, countOf, matchOf, nameOf } from '../documents/stages.ts';
import { asNumber, Doc, type Value } from '../documents/value.ts';
import { ChangeStream } from './change-stream.ts';
import { type Context, collectionOf } from './context.ts';
import { cursorReply, FIRST_BATCH, listSource, sourceOf } from './cursors.ts';
import { Query } from './query.ts';

/** The query that does $match, $sort, $skip and $limit from the front of a pipeline, and the stages that are left. */
export function pipelineQuery(context: Context): { query: Query; rest: Doc[] } {
  const { args, transaction, deadline } = context;
  const pipeline = args.docs('pipeline');
  const filters: Node[] = [];
  let sort: Sort | undefined;
  let skip = 0;
  let limit = 0;
  let at = 0;
  for (; at < pipeline.length; at++) {
    const { name, value } = (pipeline[at] as Doc).first ?? { name: '', value: null };
    if (name === '$match' && !skip && !limit) filters.push(matchOf(value));
    else if (name === '$sort' && !sort && !skip && !limit && value instanceof Doc && value.first)
      sort = compileSort(value);
    else if (name === '$skip' && !limit) skip += countOf(value, name);
    else if (name === '$limit' && !limit) limit = countOf(value, name);
    else break;
  }
  const options = { filter: and(filters), sort, skip, limit, hint: args.get('hint') };
  const query = new Query(collectionOf(context), { ...options, transaction, deadline });
  return { query, rest: pipeline.slice(at) };
}

export async function aggregateCommand(context: Context): Promise<Doc> {
  const { args, db } = context;
  const pipeline = args.docs('pipeline');
  const cursor = args.optionalDoc('cursor') ?? fail(9, "The 'cursor' option is required");
  const size = asNumber(cursor.get('batchSize')) ?? FIRST_BATCH;
  const target = args.body.first?.value;
  const wide = asNumber(target) === 1;
  if (nameOf(pipeline[0]) === '$changeStream') {
    const collection = wide ? undefined : args.collection();
    return openStream(context, pipeline, collection, `${db}.${collection ?? '$cmd.aggregate'}`, size || 1);
  }
  if (wide) fail(73, `'${nameOf(pipeline[0])}' is not valid without a collection`);
  const ns = `${db}.${args.collection()}`;
  const { query, rest } = pipelineQuery(context);
  if (rest.length === 0) return cursorReply(context, ns, sourceOf(query), size);
  const results: Doc[] = [];
  const sink = chain(rest, result => void results.push(result));
  await query.each(match => {
    sink.add(match.doc);
    return true;
  });
  sink.end();
  return cursorReply(context, ns, listSource(results), size);
}

async function openStream(context: Context, pipeline: Doc[], collection: string | undefined, ns: string, size: number) {
  const { db, transaction, services } = context;
  if (transaction) fail(263, 'Aggregation stage $changeStream cannot run within a multi-document transaction');
  const options: Value | undefined = pipeline[0]?.first?.value;
  const everything = options instanceof Doc && options.get('allChangesForCluster') === true;
  if (everything && db !== 'admin')
    fail(72, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database");
  context.streams = true;
  const stream = new ChangeStream(services, everything ? '' : `${db}.${collection ?? ''}`, pipeline);
  return cursorReply(context, ns, stream, size);
}
