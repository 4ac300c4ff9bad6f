import { BSONValue, Double, ObjectId } from 'bson';
import { aggregate } from 'mingo';
import { CommandError } from './errors.ts';
import { Doc, doc, Field, Oid, type Value } from './value.ts';

export type PlainObject = Record<string, unknown>;

/** For mingo, which knows plain JavaScript values only: all numbers become JavaScript numbers (their BSON type is lost here). */
function toPlain(value: Value): unknown {
  if (value instanceof Doc) return docToPlain(value);
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Oid) return new ObjectId(Buffer.from(value.bytes, 'latin1'));
  if (value instanceof Double) return value.value;
  return typeof value === 'bigint' ? Number(value) : value;
}

/** Defined, not assigned: `__proto__` may be a field. */
export const docToPlain = (document: Doc): PlainObject =>
  Object.fromEntries(document.fields.map(({ name, value }) => [name, toPlain(value)]));

function fromPlain(value: unknown): Value {
  if (typeof value === 'number') return fromNumber(value);
  if (Array.isArray(value)) return value.map(fromPlain);
  if (value instanceof ObjectId) return new Oid(Buffer.from(value.id).toString('latin1'));
  if (value === null || typeof value !== 'object' || value instanceof Date) return (value ?? null) as Value;
  if (value instanceof BSONValue || value instanceof Doc) return value;
  return fromObject(value);
}

export function fromObject(object: object): Doc {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return new Doc(entries.map(([name, value]) => new Field(name, fromPlain(value))));
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
    const collectionResolver = others && { collectionResolver: others };
    return aggregate(documents, pipeline, { ...(variables && { variables }), ...collectionResolver });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const operator = /(\$\w+)/.exec(message)?.[1];
    const inGroup = pipeline.some(stage => '$group' in stage);
    for (const [pattern, code, text] of REFUSALS)
      if (pattern.test(message) && (code !== 15952 || inGroup)) throw new CommandError(code, `${text} '${operator}'`);
    throw new CommandError(2, message);
  }
}

const REFUSALS: [RegExp, number, string][] = [
  [/^pipeline|^unregistered pipeline/, 40324, 'Unrecognized pipeline stage name:'],
  [/^accumulator .* is not registered/, 15952, 'unknown group operator'],
  [/registered|not a valid operator/, 168, 'Unrecognized expression'],
];

/** An aggregation expression over one document. */
export function compileExpression(expression: Value, variables?: PlainObject) {
  const stage = docToPlain(doc({ $project: { _id: 0, result: { $let: { vars: {}, in: expression } } } }));
  const evaluate = (document: Doc): unknown => runMingo([docToPlain(document)], [stage], variables)[0]?.result;
  return {
    evaluate: (document: Doc): Value => fromPlain(evaluate(document)),
    test: (document: Doc): boolean => ![false, null, undefined, 0].includes(evaluate(document) as null),
  };
}
