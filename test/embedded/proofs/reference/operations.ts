import type { Projection, Sort } from './select.ts';
import type { Doc, Value } from './values.ts';

/** One command, as data: what the server gets, what the model does and what a report shows. */
export type Operation =
  | { kind: 'insert'; documents: Doc[]; ordered: boolean }
  | { kind: 'update'; q: Doc; u: Doc; multi: boolean; upsert: boolean }
  | { kind: 'delete'; q: Doc; limit: 0 | 1 }
  | { kind: 'find'; filter: Doc; sort: Sort; skip: number; limit: number; projection: Projection }
  | { kind: 'count'; query: Doc; skip: number; limit: number }
  | { kind: 'distinct'; key: string; query: Doc }
  | { kind: 'findAndModify'; query: Doc; sort: Sort; update: Doc | null; new: boolean; upsert: boolean };

/** What both sides must agree on. */
export type Outcome = Readonly<Record<string, Value>>;

export function isWrite({ kind }: Operation): boolean {
  return kind === 'insert' || kind === 'update' || kind === 'delete' || kind === 'findAndModify';
}

export function commandOf(operation: Operation, collection: string): Doc {
  const concern = isWrite(operation) ? { writeConcern: { w: 1 } } : {};
  return { ...withoutConcern(operation, collection), ...concern };
}

function withoutConcern(operation: Operation, collection: string): Doc {
  switch (operation.kind) {
    case 'insert':
      return { insert: collection, documents: operation.documents, ordered: operation.ordered };
    case 'update': {
      const { q, u, multi, upsert } = operation;
      return { update: collection, updates: [{ q, u, multi, upsert }] };
    }
    case 'delete':
      return { delete: collection, deletes: [{ q: operation.q, limit: operation.limit }] };
    case 'find': {
      const { filter, sort, skip, limit, projection } = operation;
      return { find: collection, filter, sort, skip, limit, projection };
    }
    case 'count': {
      const { query, skip, limit } = operation;
      return { count: collection, query, skip, limit };
    }
    case 'distinct':
      return { distinct: collection, key: operation.key, query: operation.query };
    case 'findAndModify': {
      const { query, sort, update, upsert } = operation;
      const change = update ? { update, new: operation.new, upsert } : { remove: true };
      return { findAndModify: collection, query, sort, ...change };
    }
  }
}
