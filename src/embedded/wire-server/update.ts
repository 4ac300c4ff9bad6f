import { Timestamp } from 'bson';
import { words } from './arguments.ts';
import { fail } from './errors.ts';
import { compileFilter, isOperatorDoc, type Node } from './match.ts';
import { typeName } from './match-operators.ts';
import { isIndex, splitPath } from './paths.ts';
import { addToSet, pop, pull, push } from './update-arrays.ts';
import { arithmetic, bitwise } from './update-numbers.ts';
import { type Change, changeDoc, KEEP, type Step, type UpdateContext } from './update-paths.ts';
import { Doc, show, type Value } from './value.ts';
import { compare, equal } from './value-order.ts';

/** Turns a document into its successor; returns the same object if nothing changes. */
export interface Update {
  readonly replacement: boolean;
  /** First parts of the paths it touches; undefined = all. */
  readonly touches: ReadonlySet<string> | undefined;
  /** Uses `$`: the filter must say which array element matched. */
  readonly positional: boolean;
  apply(doc: Doc, context: UpdateContext): Doc;
}

const CREATING = new Set(words(`$set $setOnInsert $inc $mul $min $max $currentDate $push $addToSet $bit`));

export function compileUpdate(update: Value, arrayFilters: Value | undefined): Update {
  if (Array.isArray(update)) return fail(115, 'updates by a pipeline are not supported by this server');
  if (!(update instanceof Doc)) return fail(9, 'Update argument must be either an object or an array');
  if (!isOperatorDoc(update)) {
    if (arrayFilters !== undefined) return fail(9, 'arrayFilters may not be specified for a replacement-style update');
    return compileReplacement(update);
  }
  const filters = compileArrayFilters(arrayFilters);
  const steps = update.fields.flatMap(({ name, value }) => compileOperator(name, value));
  checkConflicts(steps);
  const used = new Set(steps.flatMap(step => step.parts.flatMap(part => /^\$\[(.+)\]$/.exec(part)?.[1] ?? [])));
  for (const name of used) if (!filters.has(name)) fail(2, `No array filter found for identifier '${name}'`);
  for (const name of filters.keys())
    if (!used.has(name)) fail(9, `The array filter for identifier '${name}' was not used in the update`);
  steps.sort((a, b) => comparePaths(a.parts, b.parts));
  return {
    replacement: false,
    touches: new Set(steps.map(step => step.parts[0] as string)),
    positional: steps.some(step => step.parts.includes('$')),
    apply: (doc, context) => applySteps(doc, steps, context, filters),
  };
}

function applySteps(doc: Doc, steps: Step[], context: UpdateContext, filters: Map<string, Node>): Doc {
  let result: Doc | undefined;
  for (const step of steps) {
    if (step.onlyOnInsert && !context.inserting) continue;
    let before = result ?? doc;
    let now = step;
    if (step.source) {
      const moved = plainValueAt(before, step.source);
      if (moved === undefined) continue;
      const taken = changeDoc(before, { ...step, parts: step.source, change: () => undefined }, 0, context, filters);
      if (taken !== KEEP) before = taken;
      now = { ...step, change: () => moved };
    }
    const after = changeDoc(before, now, 0, context, filters);
    if (after !== KEEP) result = after;
  }
  const next = result ?? doc;
  if (result && !context.inserting && !equal(next.get('_id') ?? null, doc.get('_id') ?? null)) {
    fail(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
  }
  return next;
}

function compileReplacement(update: Doc): Update {
  for (const field of update.fields) {
    if (field.name.startsWith('$'))
      fail(
        52,
        `The dollar ($) prefixed field '${field.name}' in '${field.name}' is not allowed in the context of an update's replacement document.`,
      );
  }
  return {
    replacement: true,
    touches: undefined,
    positional: false,
    apply(doc, context) {
      const id = doc.get('_id');
      const wanted = update.get('_id');
      if (id !== undefined && wanted !== undefined && !equal(id, wanted)) {
        fail(66, "After applying the update, the (immutable) field '_id' was found to have been altered");
      }
      const first = id ?? wanted;
      const next = new Doc();
      if (first !== undefined) next.set('_id', first);
      for (const field of update.fields)
        if (field.name !== '_id') next.fields.push(stamped(field.name, field.value, context.now) ?? field);
      return next;
    },
  };
}

/** A zero Timestamp at the top level of a replacement means "now", as in MongoDB. */
function stamped(name: string, value: Value, now: Date) {
  if (!(value instanceof Timestamp) || !value.isZero()) return undefined;
  return new Doc().set(name, new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 })).first;
}

function compileArrayFilters(value: Value | undefined): Map<string, Node> {
  const filters = new Map<string, Node>();
  if (value === undefined) return filters;
  if (!Array.isArray(value)) return fail(14, 'arrayFilters must be an array');
  for (const filter of value) {
    if (!(filter instanceof Doc) || !filter.first)
      return fail(9, 'Cannot use an expression without a top-level field name in arrayFilters');
    const name = filterName(filter);
    if (filters.has(name)) return fail(9, `Found multiple array filters with the same top-level field name ${name}`);
    filters.set(name, compileFilter(filter));
  }
  return filters;
}

function filterName(filter: Doc): string {
  const first = filter.first;
  if (!first) return fail(9, 'Cannot use an expression without a top-level field name in arrayFilters');
  if (!first.name.startsWith('$')) return splitPath(first.name)[0] as string;
  const inner = Array.isArray(first.value) ? first.value[0] : undefined;
  return inner instanceof Doc
    ? filterName(inner)
    : fail(9, 'Cannot use an expression without a top-level field name in arrayFilters');
}

function compileOperator(name: string, operand: Value): Step[] {
  const make = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (!make)
    return fail(
      9,
      `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`,
    );
  if (!(operand instanceof Doc)) {
    return fail(
      9,
      `Modifiers operate on fields but we found type ${typeName(operand)} instead. For example: {$mod: {<field>: ...}} not {${name}: ${show(operand)}}`,
    );
  }
  return operand.fields.flatMap(({ name: path, value }): Step[] => {
    const parts = checkPath(path);
    if (name === '$rename') return renameSteps(path, parts, value);
    const onlyOnInsert = name === '$setOnInsert';
    return [{ path, parts, change: make(value, path), creates: CREATING.has(name), onlyOnInsert }];
  });
}

function checkPath(path: string): string[] {
  const parts = splitPath(path);
  if (path === '' || parts.includes(''))
    fail(56, `The update path '${path}' contains an empty field name, which is not allowed.`);
  for (const part of parts) {
    if (part.startsWith('$') && part !== '$' && !/^\$\[\w*\]$/.test(part))
      fail(52, `The dollar ($) prefixed field '${part}' in '${path}' is not allowed in the context of an update.`);
  }
  if (parts[0]?.startsWith('$'))
    fail(2, `Cannot have array filter identifier (i.e. '$[<id>]') element in the first position in path '${path}'`);
  return parts;
}

const operators: Record<string, (operand: Value, path: string) => Change> = {
  $set: operand => () => operand,
  $setOnInsert: operand => () => operand,
  $unset: () => old => (old === undefined ? KEEP : undefined),
  $inc: (operand, path) => arithmetic('$inc', operand, path),
  $mul: (operand, path) => arithmetic('$mul', operand, path),
  $min: operand => old => (old === undefined || compare(operand, old) < 0 ? operand : KEEP),
  $max: operand => old => (old === undefined || compare(operand, old) > 0 ? operand : KEEP),
  $currentDate: currentDate,
  $push: push,
  $addToSet: addToSet,
  $pull: pull,
  $pullAll: (operand, path) => {
    if (!Array.isArray(operand)) return fail(2, '$pullAll requires an array argument');
    return pull(new Doc().set('$in', operand), path);
  },
  $pop: pop,
  $bit: bitwise,
  $rename: () => () => KEEP,
};

function currentDate(operand: Value): Change {
  const type = operand instanceof Doc ? operand.get('$type') : undefined;
  if (operand instanceof Doc && (operand.fields.length !== 1 || (type !== 'date' && type !== 'timestamp'))) {
    return fail(
      2,
      "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}",
    );
  }
  if (!(operand instanceof Doc) && typeof operand !== 'boolean')
    return fail(
      2,
      `${typeName(operand)} is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).`,
    );
  return (_old, { now }) => (type === 'timestamp' ? new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 }) : now);
}

/** The first step is there for the conflict check alone; the second moves the value. */
function renameSteps(from: string, parts: string[], to: Value): Step[] {
  if (typeof to !== 'string') return fail(2, `The 'to' field for $rename must be a string: ${from}`);
  if (from === to) return fail(2, `The source and target field for $rename must differ: ${from}: "${to}"`);
  return [
    { path: from, parts, change: () => KEEP, creates: false },
    { path: to, parts: checkPath(to), change: () => KEEP, creates: true, source: parts },
  ];
}

/** The value at a path that leads through documents only. */
function plainValueAt(doc: Doc, parts: string[]): Value | undefined {
  let value: Value | undefined = doc;
  for (const part of parts) value = value instanceof Doc ? value.get(part) : undefined;
  return value;
}

/** Lexicographic, numbers as numbers: the order in which MongoDB adds new fields. */
function comparePaths(a: string[], b: string[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a[i] as string;
    const y = b[i] as string;
    if (x === y) continue;
    if (isIndex(x) && isIndex(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

function checkConflicts(steps: Step[]): void {
  const paths = steps.map(step => step.path).sort();
  const all = new Set<string>();
  for (const path of paths) {
    if (all.has(path)) fail(40, `Updating the path '${path}' would create a conflict at '${path}'`);
    all.add(path);
  }
  for (const path of paths) {
    for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
      const parent = path.slice(0, dot);
      if (all.has(parent)) fail(40, `Updating the path '${path}' would create a conflict at '${parent}'`);
    }
  }
}
