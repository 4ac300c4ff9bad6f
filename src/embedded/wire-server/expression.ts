import { BSONValue, Double, ObjectId } from 'bson';
import { aggregate } from 'mingo';
import { CommandError } from './errors.ts';
import { Doc, Field, Oid, type Value } from './value.ts';

export type PlainObject = Record<string, unknown>;

/** For mingo, which knows plain JavaScript values only: all numbers become JavaScript numbers (their BSON type is lost here). */
function toPlain(value: Value): unknown {
  if (value instanceof Doc) return docToPlain(value);
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Oid) return new ObjectId(Buffer.from(value.bytes, 'latin1'));
  if (value instanceof Double) return value.value;
  if (typeof value === 'bigint') return Number(value);
  return value;
}

export function docToPlain(doc: Doc): PlainObject {
  const object: PlainObject = {};
  for (const { name, value } of doc.fields) {
    if (name === '__proto__') Object.defineProperty(object, name, { value: toPlain(value), enumerable: true });
    else object[name] = toPlain(value);
  }
  return object;
}

function fromPlain(value: unknown): Value {
  if (value === undefined) return null;
  if (typeof value === 'number') return fromNumber(value);
  if (Array.isArray(value)) return value.map(fromPlain);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value as Value;
  if (value instanceof ObjectId) return new Oid(Buffer.from(value.id).toString('latin1'));
  if (value instanceof RegExp || value instanceof BSONValue || value instanceof Doc) return value as Value;
  return fromObject(value);
}

export function fromObject(object: object): Doc {
  return new Doc(
    Object.entries(object)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => new Field(name, fromPlain(value))),
  );
}

/** Whole numbers come back as int32, or int64 where that is too small. */
function fromNumber(value: number): Value {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return new Double(value);
  return Math.abs(value) < 2 ** 31 ? value : BigInt(value);
}

/** mingo's refusals with the codes of a real server. */
export function runMingo(
  documents: PlainObject[],
  pipeline: PlainObject[],
  variables?: PlainObject,
  others?: (name: string) => PlainObject[],
): PlainObject[] {
  try {
    return aggregate(documents, pipeline, {
      ...(variables && { variables }),
      ...(others && { collectionResolver: others }),
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const operator = /(\$\w+)/.exec(message)?.[1];
    if (/^pipeline|^unregistered pipeline/.test(message))
      throw new CommandError(40324, `Unrecognized pipeline stage name: '${operator}'`);
    if (/^accumulator .* is not registered/.test(message) && pipeline.some(stage => '$group' in stage))
      throw new CommandError(15952, `unknown group operator '${operator}'`);
    if (/registered|not a valid operator/.test(message))
      throw new CommandError(168, `Unrecognized expression '${operator}'`);
    throw new CommandError(2, message);
  }
}

/** An aggregation expression over one document. */
export function compileExpression(expression: Value, variables?: PlainObject) {
  const plain = toPlain(expression);
  const evaluate = (doc: Doc): unknown =>
    (
      runMingo(
        [docToPlain(doc)],
        [{ $project: { _id: 0, result: { $let: { vars: {}, in: plain } } } }],
        variables,
      )[0] as PlainObject
    ).result;
  return {
    evaluate: (doc: Doc): Value => fromPlain(evaluate(doc)),
    test: (doc: Doc): boolean => {
      const result = evaluate(doc);
      return result !== false && result !== null && result !== undefined && result !== 0;
    },
  };
}
