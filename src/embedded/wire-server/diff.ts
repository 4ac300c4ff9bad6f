import { Doc, doc, typeName, type Value } from './value.ts';
import { equal } from './value-order.ts';

interface Difference {
  readonly updatedFields: Doc;
  readonly removedFields: string[];
  readonly truncatedArrays: Doc[];
}

/** What an update changed, as change streams tell it: nested changes by dotted path, as MongoDB's own log has them. */
export function difference(before: Doc, after: Doc): Doc {
  const result: Difference = { updatedFields: new Doc(), removedFields: [], truncatedArrays: [] };
  diffDocs(before, after, '', result);
  return doc({ ...result });
}

function diffDocs(before: Doc, after: Doc, prefix: string, result: Difference): void {
  for (const { name } of before.fields) if (!after.has(name)) result.removedFields.push(prefix + name);
  for (const { name, value } of after.fields) diffValues(before.get(name), value, prefix + name, result);
}

function diffValues(old: Value | undefined, value: Value, path: string, result: Difference): void {
  if (old !== undefined && typeName(old) === typeName(value) && equal(old, value)) return;
  if (old instanceof Doc && value instanceof Doc) diffDocs(old, value, `${path}.`, result);
  else if (Array.isArray(old) && Array.isArray(value)) diffArrays(old, value, path, result);
  else result.updatedFields.set(path, value);
}

/** Elements that kept their place are told one by one; otherwise the array is told as a whole. */
function diffArrays(old: Value[], value: Value[], path: string, result: Difference): void {
  const changed = [...value.keys()].filter(i => i >= old.length || !equal(value[i] as Value, old[i] as Value));
  if (changed.length > 0 && changed.length === value.length && old.length > 0) {
    result.updatedFields.set(path, value);
    return;
  }
  if (value.length < old.length) result.truncatedArrays.push(doc({ field: path, newSize: value.length }));
  for (const i of changed) diffValues(old[i], value[i] as Value, `${path}.${i}`, result);
}
