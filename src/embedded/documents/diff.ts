import { Doc, doc, Field, typeName, type Value } from './value.ts';
import { equal } from './value-order.ts';

/** What an update changed, as change streams tell it: nested changes by dotted path, a shortened array as a whole. */
export function difference(before: Doc, after: Doc): Doc {
  const updatedFields = new Doc();
  const removedFields: string[] = [];
  const walk = (old: Doc, now: Doc, prefix: string): void => {
    for (const { name } of old.fields) if (!now.has(name)) removedFields.push(prefix + name);
    for (const { name, value } of now.fields) {
      const was = old.get(name);
      if (was !== undefined && typeName(was) === typeName(value) && equal(was, value)) continue;
      const [inside, outside] = [elements(was), elements(value)];
      const nested = inside && outside && was instanceof Doc === value instanceof Doc;
      if (nested && (value instanceof Doc || inside.fields.length <= outside.fields.length))
        walk(inside, outside, `${prefix}${name}.`);
      else updatedFields.set(prefix + name, value);
    }
  };
  walk(before, after, '');
  return doc({ updatedFields, removedFields, truncatedArrays: [] });
}

/** The elements of an array are named by their place. */
function elements(value: Value | undefined): Doc | undefined {
  if (!Array.isArray(value)) return value instanceof Doc ? value : undefined;
  return new Doc(value.map((item, i) => new Field(String(i), item)));
}
