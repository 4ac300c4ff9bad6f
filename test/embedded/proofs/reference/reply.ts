import type { Operation, Outcome } from './operations.ts';
import { compare, type Doc, isDoc, isNumeric, type Value } from './values.ts';

interface WriteError {
  index: Value;
  code: Value;
}

/** What a reply says, without what the model does not foretell (messages, times). */
export function outcomeOf(operation: Operation, reply: Doc): Outcome {
  if (Number(reply.ok) !== 1) return { code: Number(reply.code) };
  switch (operation.kind) {
    case 'insert': {
      const errors = ((reply.writeErrors as WriteError[] | undefined) ?? []).map(({ index, code }) => ({
        index: Number(index),
        code: Number(code),
      }));
      return { n: Number(reply.n), errors };
    }
    case 'update': {
      const [error] = (reply.writeErrors as WriteError[] | undefined) ?? [];
      if (error) return { code: Number(error.code) };
      const [upserted] = (reply.upserted as { _id: Value }[] | undefined) ?? [];
      const counts = { n: Number(reply.n), nModified: Number(reply.nModified) };
      return upserted ? { ...counts, upserted: upserted._id } : counts;
    }
    case 'delete':
    case 'count':
      return { n: Number(reply.n) };
    case 'find': {
      const { firstBatch } = reply.cursor as { firstBatch: Doc[] };
      return { docs: firstBatch };
    }
    case 'distinct':
      return { values: comparable(reply.values as Value[]) };
    case 'findAndModify': {
      const { n } = reply.lastErrorObject as Doc;
      return { n: Number(n), value: reply.value };
    }
  }
}

/** Distinct values have no order, and any of equal numbers may stand for them. */
export function comparable(values: readonly Value[]): Value[] {
  const plain = (value: Value): Value => {
    if (isNumeric(value)) return String(value);
    if (Array.isArray(value)) return value.map(plain);
    if (isDoc(value)) return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
    return value;
  };
  return [...values].sort(compare).map(plain);
}
