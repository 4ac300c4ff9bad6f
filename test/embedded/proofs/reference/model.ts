import { isOperators, matches } from './match.ts';
import type { Operation, Outcome } from './operations.ts';
import { comparable } from './reply.ts';
import { distinctValues, projected, sorted } from './select.ts';
import { ModelError, stepsOf, updated, upsertBase } from './update.ts';
import { compare, copy, type Doc, equal, identical, type Value } from './values.ts';

type Write<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

const DUPLICATE = 11000;

/** A collection with a unique index on `k` over the documents with `s: 'p'`, as a list and loops over it. */
export class Model {
  #docs: Doc[] = [];
  /** Set when an update of many failed: which of its documents were changed before is the server's affair. */
  #partial: Map<Doc, Doc | null> | null = null;

  /** Everything, by `_id`. */
  state(): Doc[] {
    return sorted(this.#docs, { _id: 1 });
  }

  run(operation: Operation): Outcome {
    this.#partial = null;
    try {
      return this.#run(operation);
    } catch (error) {
      if (error instanceof ModelError) return { code: error.code };
      throw error;
    }
  }

  /**
   * After an update of many that failed, takes what the server has. False when a document there is neither as before nor
   * as after, or when the error's code fits none of them.
   */
  adopt(state: readonly Doc[], code: Value): boolean {
    const partial = this.#partial;
    if (!partial) return false;
    const before = this.state();
    if (state.length !== before.length) return false;
    const fits = before.every((doc, n) => {
      const after = partial.get(doc);
      return identical(doc, state[n]) || (after !== undefined && after !== null && identical(after, state[n]));
    });
    this.#docs = state.map(copy);
    return fits && this.#codes.has(Number(code));
  }

  get isPartial(): boolean {
    return this.#partial !== null;
  }

  #codes = new Set<number>();

  #run(operation: Operation): Outcome {
    switch (operation.kind) {
      case 'insert':
        return this.#insert(operation);
      case 'update':
        return this.#update(operation);
      case 'delete': {
        const doomed = this.#matching(operation.q).slice(0, operation.limit || undefined);
        this.#docs = this.#docs.filter(doc => !doomed.includes(doc));
        return { n: doomed.length };
      }
      case 'find': {
        const { filter, sort, skip, limit, projection } = operation;
        const docs = sorted(this.#matching(filter), sort).slice(skip, limit > 0 ? skip + limit : undefined);
        return { docs: docs.map(doc => (Object.keys(projection).length > 0 ? projected(doc, projection) : doc)) };
      }
      case 'count': {
        const { query, skip, limit } = operation;
        return { n: this.#matching(query).slice(skip, limit > 0 ? skip + limit : undefined).length };
      }
      case 'distinct':
        return { values: comparable(distinctValues(this.#matching(operation.query), operation.key)) };
      case 'findAndModify':
        return this.#findAndModify(operation);
    }
  }

  #matching(filter: Doc): Doc[] {
    return this.#docs.filter(doc => matches(doc, filter));
  }

  #insert({ documents, ordered }: Write<'insert'>): Outcome {
    const errors: Outcome[] = [];
    let n = 0;
    for (const [index, doc] of documents.entries()) {
      try {
        this.#add(copy(doc));
        n += 1;
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        errors.push({ index, code: error.code });
        if (ordered) break;
      }
    }
    return { n, errors };
  }

  #update({ q, u, multi, upsert }: Write<'update'>): Outcome {
    if (isOperators(u)) stepsOf(u);
    const found = this.#matching(q);
    if (found.length === 0) {
      if (!upsert) return { n: 0, nModified: 0 };
      const doc = this.#upsert(q, u);
      return { n: 1, nModified: 0, upserted: doc._id };
    }
    if (multi) return this.#updateMany(found, u);
    const isModified = this.#replace(found[0]!, changed(found[0]!, u));
    return { n: 1, nModified: Number(isModified) };
  }

  #updateMany(found: readonly Doc[], u: Doc): Outcome {
    const results = new Map<Doc, Doc | null>();
    this.#codes = new Set();
    for (const doc of found) {
      try {
        results.set(doc, changed(doc, u));
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        this.#codes.add(error.code);
        results.set(doc, null);
      }
    }
    if (this.#codes.size > 0) {
      this.#partial = results;
      return {};
    }
    const modified = found.filter(doc => this.#replace(doc, results.get(doc)!));
    return { n: found.length, nModified: modified.length };
  }

  #findAndModify({ query, sort, update, new: wantsNew, upsert }: Write<'findAndModify'>): Outcome {
    if (update && isOperators(update)) stepsOf(update);
    const [found] = sorted(this.#matching(query), sort);
    if (!found && (!update || !upsert)) return { n: 0, value: null };
    if (!update) {
      this.#docs = this.#docs.filter(doc => doc !== found);
      return { n: 1, value: found };
    }
    if (!found) {
      const doc = this.#upsert(query, update);
      return { n: 1, value: wantsNew ? doc : null };
    }
    const after = changed(found, update);
    this.#replace(found, after);
    return { n: 1, value: wantsNew ? after : found };
  }

  #upsert(query: Doc, update: Doc): Doc {
    const base = upsertBase(query);
    const { _id, ...rest } = isOperators(update) ? updated(base, update, true) : { ...update, _id: base._id };
    const doc = { _id, ...rest };
    this.#add(doc);
    return doc;
  }

  #add(doc: Doc): void {
    this.#checkUnique(doc, null);
    this.#docs.push(doc);
  }

  /** Answers whether anything changed. */
  #replace(old: Doc, next: Doc): boolean {
    if (identical(old, next)) return false;
    this.#checkUnique(next, old);
    this.#docs[this.#docs.indexOf(old)] = next;
    return true;
  }

  #checkUnique(doc: Doc, old: Doc | null): void {
    for (const other of this.#docs) {
      if (other === old) continue;
      const isSameKey = doc.s === 'p' && other.s === 'p' && equal(doc.k ?? null, other.k ?? null);
      if (isSameKey || compare(doc._id, other._id) === 0) throw new ModelError(DUPLICATE);
    }
  }
}

function changed(doc: Doc, update: Doc): Doc {
  if (isOperators(update)) return updated(doc, update, false);
  return { _id: doc._id, ...copy(update) };
}
