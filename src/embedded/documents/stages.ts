import { Double } from 'bson';
import { fail, unsupported } from './errors.ts';
import { compileFilter } from './match.ts';
import { compileProjection, compileRead } from './project.ts';
import { asNumber, Doc, doc, show, type Value } from './value.ts';
import { keyOf } from './value-keys.ts';
import { words } from './words.ts';

/** Takes documents one by one, so that a whole collection can go through in slices; `end` hands over what was gathered. */
export interface Sink {
  add(document: Doc): void;
  end(): void;
}

type Stage = (operand: Value, next: Sink) => Sink;

export const STAGES: Record<string, Stage> = {
  $match(operand, next) {
    const filter = matchOf(operand);
    return { add: document => filter.test(document) && next.add(document), end: () => next.end() };
  },
  $project(operand, next) {
    const project = operand instanceof Doc ? compileProjection(operand) : undefined;
    if (!project) return fail(51272, 'Invalid $project :: the specification must be a document with a field');
    return { add: document => next.add(project(document)), end: () => next.end() };
  },
  $group,
  $count(name, next) {
    if (typeof name !== 'string' || !name || name.startsWith('$') || name.includes('.'))
      return fail(40156, 'the count field must be a non-empty string without $ and dots');
    let count = 0;
    const end = () => {
      if (count) next.add(new Doc().set(name, count));
      next.end();
    };
    return { add: () => void count++, end };
  },
};

const UNSUPPORTED = new Set(
  words(`$sort $skip $limit $addFields $set $unset $unwind $replaceRoot $replaceWith $redact $facet $sortByCount $sample $lookup $unionWith
    $documents $out $merge $bucket $bucketAuto $setWindowFields $densify $fill $graphLookup $geoNear $indexStats $collStats
    $planCacheStats $search $vectorSearch $listSessions $listSampledQueries $currentOp $listLocalSessions`),
);

export const nameOf = (stage: Doc | undefined): string => stage?.first?.name ?? '';

/** Stages one behind the other; what the last one makes goes to `out`. */
export function chain(stages: Doc[], out: (document: Doc) => void): Sink {
  return stages.reduceRight<Sink>((next, stage) => stageOf(stage)(stage.first?.value as Value, next), {
    add: out,
    end: () => undefined,
  });
}

function stageOf(stage: Doc): Stage {
  const name = nameOf(stage);
  if (stage.fields.length !== 1) fail(40323, 'A pipeline stage specification object must contain exactly one field.');
  if (UNSUPPORTED.has(name)) unsupported(`the stage ${name}`);
  if (name === '$changeStream') fail(40602, `${name} is only valid as the first stage in a pipeline`);
  const known = Object.hasOwn(STAGES, name) ? STAGES[name] : undefined;
  return known ?? fail(40324, `Unrecognized pipeline stage name: '${name}'`);
}

export const matchOf = (operand: Value) =>
  operand instanceof Doc ? compileFilter(operand) : fail(15959, 'the match filter must be an expression in an object');

/** The operand of $skip and $limit. */
export function countOf(value: Value, name: string): number {
  const number = asNumber(value);
  if (number === undefined || !Number.isInteger(number))
    return fail(5107200, `invalid argument to ${name} stage: Expected an integer: ${name}: ${show(value)}`);
  if (name === '$limit') return number > 0 ? number : fail(15958, 'the limit must be positive');
  return number >= 0 ? number : fail(15956, 'the skip must be non-negative');
}

const NO_ACCUMULATORS = new Set(
  words('$min $max $avg $count $first $last $push $addToSet $stdDevPop $stdDevSamp $mergeObjects'),
);

/** Keeps int and long apart from double, and grows int to long. */
function plus(sum: Value = 0, value?: Value): Value {
  const number = asNumber(value);
  if (number === undefined) return sum;
  if (typeof sum === 'object' || typeof value === 'object') return new Double((asNumber(sum) as number) + number);
  if (typeof sum === 'bigint' || typeof value === 'bigint') return BigInt(sum as number) + BigInt(value as number);
  const result = (sum as number) + number;
  return Math.abs(result) < 2 ** 31 ? result : BigInt(result);
}

function $group(spec: Value, next: Sink): Sink {
  if (!(spec instanceof Doc)) return fail(15947, "a group's fields must be specified in an object");
  if (!spec.has('_id')) fail(15955, 'a group specification must include an _id');
  const readId = compileRead(spec.get('_id') as Value);
  const fields = spec.fields.filter(({ name }) => name !== '_id').map(({ name, value }) => accumulated(name, value));
  const groups = new Map<string, Doc>();
  return {
    add(document) {
      const id = readId(document) ?? null;
      const key = keyOf(id);
      const group = groups.get(key) ?? doc({ _id: id });
      groups.set(key, group);
      for (const { name, read } of fields) group.set(name, plus(group.get(name), read(document)));
    },
    end() {
      for (const group of groups.values()) next.add(group);
      next.end();
    },
  };
}

function accumulated(name: string, value: Value) {
  if (!(value instanceof Doc)) return fail(40234, `The field '${name}' must be an accumulator object`);
  const [field, ...more] = value.fields;
  if (!field || more.length) return fail(40238, `The field '${name}' must specify one accumulator`);
  if (NO_ACCUMULATORS.has(field.name)) unsupported(`the accumulator ${field.name}`);
  if (field.name !== '$sum') fail(15952, `unknown group operator '${field.name}'`);
  return { name, read: compileRead(field.value) };
}
