import type { Collection } from './collection.ts';
import { type Context, collectionOf, deadlineOf, variablesOf } from './context.ts';
import { fail } from './errors.ts';
import { compileFilter } from './match.ts';
import { compileProjection } from './project.ts';
import { Query } from './query.ts';
import { compileSort } from './sort.ts';
import { compileUpdate, type Update } from './update.ts';
import { type Doc, doc } from './value.ts';
import { checkCollation, targetCollection, writing } from './write-commands.ts';
import { DocumentWriter } from './writes.ts';

interface Outcome {
  readonly value: Doc | null;
  readonly n: number;
  readonly upserted?: Doc;
}

/** Finds one document in a given order and changes or removes it in the same breath. */
export async function findAndModify(context: Context): Promise<Doc> {
  const { args } = context;
  checkCollation(args);
  const removes = args.boolean('remove');
  const given = args.get('update');
  if (removes === (given !== undefined))
    return fail(
      9,
      removes ? 'Cannot specify both an update and remove=true' : 'Either an update or remove=true must be specified',
    );
  if (removes && args.boolean('new'))
    return fail(9, "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document");
  if (removes && args.boolean('upsert')) return fail(9, 'Cannot specify both upsert=true and remove=true ');
  const change = given === undefined ? undefined : compileUpdate(given, args.get('arrayFilters'));
  const project = compileProjection(args.doc('fields'), variablesOf(args));
  return writing(context, async batch => {
    const collection = args.boolean('upsert') ? targetCollection(context, batch) : collectionOf(context);
    const outcome = collection
      ? await modify(context, collection, new DocumentWriter(context, batch, collection), change)
      : { value: null, n: 0 };
    context.services.metrics.count(removes ? 'delete' : 'update', 1);
    const { value, n, upserted } = outcome;
    return doc({
      lastErrorObject: {
        n,
        ...(removes ? {} : { updatedExisting: n > 0 && !upserted }),
        ...(upserted && { upserted: upserted.first?.value }),
      },
      value: value && project ? project(value) : value,
    });
  });
}

async function modify(
  context: Context,
  collection: Collection,
  writer: DocumentWriter,
  change: Update | undefined,
): Promise<Outcome> {
  const { args, session } = context;
  const filter = compileFilter(args.doc('query'), variablesOf(args));
  const sort = args.optionalDoc('sort');
  const wantsNew = args.boolean('new');
  for (;;) {
    const options = {
      filter,
      limit: 1,
      hint: args.get('hint'),
      transaction: session?.transaction,
      ...deadlineOf(context),
    };
    const match = await new Query(collection, { ...options, sort: sort?.first && compileSort(sort) }).one();
    if (!match) {
      if (!change || !args.boolean('upsert')) return { value: null, n: 0 };
      const upserted = await writer.upsert(filter, change);
      if (!upserted) continue;
      return { value: wantsNew ? upserted : null, n: 1, upserted };
    }
    if (!change) {
      const removed = await writer.remove(match, filter);
      if (removed) return { value: removed, n: 1 };
      continue;
    }
    const result = await writer.update(match, filter, change);
    if (result.matched) return { value: wantsNew ? result.after : result.before, n: 1 };
    // Somebody was quicker while this waited for a lock: look for another one.
  }
}
