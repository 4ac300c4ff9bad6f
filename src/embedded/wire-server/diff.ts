import { Doc, typeOrder, type Value } from './value.ts';
import { equal } from './value-order.ts';

/** What an update changed, as change streams tell it. */
export interface Difference {
  readonly updatedFields: Doc;
  readonly removedFields: string[];
  readonly truncatedArrays: Doc[];
}

/** Compares a document before and after an update: nested changes by dotted path, as MongoDB's own log has them. */
export function difference(before: Doc, after: Doc): Difference {
  const result: Difference = { updatedFields: new Doc(), removedFields: [], truncatedArrays: [] };
  diffDocs(before, after, '', result);
  return result;
}

function diffDocs(before: Doc, after: Doc, prefix: string, result: Difference): void {
  for (const { name } of before.fields) if (!after.has(name)) result.removedFields.push(prefix + name);
  for (const { name, value } of after.fields) {
    const old = before.get(name);
    if (old === undefined) result.updatedFields.set(prefix + name, value);
    else diffValues(old, value, prefix + name, result);
  }
}

function diffValues(old: Value, value: Value, path: string, result: Difference): void {
  if (typeOrder(old) === typeOrder(value) && typeof old === typeof value && equal(old, value)) return;
  if (old instanceof Doc && value instanceof Doc) diffDocs(old, value, `${path}.`, result);
  else if (Array.isArray(old) && Array.isArray(value)) diffArrays(old, value, path, result);
  else result.updatedFields.set(path, value);
}

/** Elements that kept their place are told one by one; otherwise the array is told as a whole. */
function diffArrays(old: Value[], value: Value[], path: string, result: Difference): void {
  const changed = value.flatMap((item, i) => (i < old.length && equal(item, old[i] as Value) ? [] : [i]));
  if (changed.length > 0 && changed.length === value.length && old.length > 0) {
    result.updatedFields.set(path, value);
    return;
  }
  if (value.length < old.length) result.truncatedArrays.push(new Doc().set('field', path).set('newSize', value.length));
  for (const i of changed) {
    if (i < old.length) diffValues(old[i] as Value, value[i] as Value, `${path}.${i}`, result);
    else result.updatedFields.set(`${path}.${i}`, value[i] as Value);
  }
}
