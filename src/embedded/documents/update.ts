import { toBytes } from './codec.ts';
import { fail, unsupported } from './errors.ts';
import { compileFilter, isOperatorDoc, type Node } from './match.ts';
import { isIndex, splitPath } from './paths.ts';
import { type Change, operators, type Situation, UNSUPPORTED } from './update-operators.ts';
import { Doc, show, typeName, type Value } from './value.ts';
import { equal } from './value-order.ts';

/** Turns a document into its successor; returns the same object if nothing changes. */
export interface Update {
  readonly replacement: boolean;
  /** First parts of the paths it touches; undefined = all. */
  readonly touches: ReadonlySet<string> | undefined;
  apply(doc: Doc, situation: Situation): Doc;
}

interface Step {
  readonly path: string;
  readonly parts: string[];
  readonly change: Change;
  /** Missing parents are made; $unset makes none. */
  readonly creates: boolean;
  readonly onlyOnInsert: boolean;
  /** Array filters by the name in `$[name]`. */
  readonly filters: Map<string, Node>;
}

export function compileUpdate(update: Value, arrayFilters?: Value): Update {
  if (Array.isArray(update)) return unsupported('an update by a pipeline');
  if (!(update instanceof Doc)) return fail(9, 'Update argument must be either an object or an array');
  if (!isOperatorDoc(update)) {
    if (arrayFilters !== undefined) return fail(9, 'arrayFilters may not be specified for a replacement-style update');
    return compileReplacement(update);
  }
  const filters = compileArrayFilters(arrayFilters);
  const steps = update.fields.flatMap(({ name, value }) => compileOperator(name, value, filters));
  const used = new Set(steps.flatMap(step => identifiersOf(step.path)));
  for (const name of used) if (!filters.has(name)) fail(2, `No array filter found for identifier '${name}'`);
  for (const name of filters.keys())
    if (!used.has(name)) fail(9, `The array filter '${name}' was not used in the update`);
  steps.sort((a, b) => comparePaths(a.parts, b.parts));
  checkConflicts(steps);
  return {
    replacement: false,
    touches: new Set(steps.map(step => step.parts[0] as string)),
    apply(doc, situation) {
      let next = doc;
      for (const step of steps) {
        if (step.onlyOnInsert && !situation.inserting) continue;
        // The first step that changes something makes the copy, the others go on with it.
        next = changeDoc(next, step, 0, situation, next !== doc);
      }
      if (next !== doc && !situation.inserting && !equal(next.get('_id') ?? null, doc.get('_id') ?? null))
        fail(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
      return next;
    },
  };
}

function compileReplacement(update: Doc): Update {
  const dollar = update.fields.find(field => field.name.startsWith('$'))?.name;
  if (dollar) fail(52, `The dollar ($) prefixed field '${dollar}' is not allowed in a replacement document.`);
  return {
    replacement: true,
    touches: undefined,
    apply(doc) {
      const id = doc.find('_id');
      const wanted = update.find('_id');
      if (id && wanted && !equal(id.value, wanted.value))
        fail(66, "After applying the update, the (immutable) field '_id' was found to have been altered");
      const rest = update.fields.filter(field => field !== wanted);
      const first = id ?? wanted;
      return new Doc(first ? [first, ...rest] : rest);
    },
  };
}

function compileArrayFilters(value: Value | undefined): Map<string, Node> {
  const filters = new Map<string, Node>();
  if (value !== undefined && !Array.isArray(value)) fail(14, 'arrayFilters must be an array');
  for (const filter of (value ?? []) as Value[]) {
    const name = splitPath((filter instanceof Doc && filter.first?.name) || '$')[0] as string;
    if (name.startsWith('$')) fail(9, 'Cannot use an expression without a top-level field name in arrayFilters');
    if (filters.has(name)) fail(9, `Found multiple array filters with the same top-level field name ${name}`);
    filters.set(name, compileFilter(filter as Doc));
  }
  return filters;
}

function compileOperator(name: string, operand: Value, filters: Map<string, Node>): Step[] {
  const make = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (UNSUPPORTED.has(name)) unsupported(name);
  if (!make) return fail(9, `Unknown modifier: ${name}. Expected a valid update modifier or a pipeline`);
  if (!(operand instanceof Doc))
    return fail(
      9,
      `Modifiers operate on fields but we found type ${typeName(operand)} instead: {${name}: ${show(operand)}}`,
    );
  return operand.fields.map(({ name: path, value }) => {
    const onlyOnInsert = name === '$setOnInsert';
    const creates = name !== '$unset';
    return { path, parts: checkPath(path), change: make(value, path), creates, onlyOnInsert, filters };
  });
}

/** The names in `$[name]`. */
function identifiersOf(path: string): string[] {
  if (!path.includes('$[')) return [];
  return splitPath(path).flatMap(part => /^\$\[(.+)\]$/.exec(part)?.[1] ?? []);
}

function checkPath(path: string): string[] {
  if (/^\w+$/.test(path)) return [path];
  const parts = splitPath(path);
  if (parts.includes('')) fail(56, `The update path '${path}' contains an empty field name, which is not allowed.`);
  if (parts.includes('$')) unsupported('the positional operator $');
  const wrong = parts.find(part => part.startsWith('$') && !/^\$\[\w*\]$/.test(part));
  if (wrong) fail(52, `The dollar ($) prefixed field '${wrong}' in '${path}' is not allowed in an update.`);
  if (parts[0]?.startsWith('$')) fail(2, `Cannot have array filter identifier in the first position in path '${path}'`);
  return parts;
}

/** Lexicographic, numbers as numbers: the order in which MongoDB adds new fields. */
function comparePaths(a: string[], b: string[]): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const [x, y] = [a[at], b[at]];
  if (x === undefined || y === undefined) return a.length - b.length;
  return isIndex(x) && isIndex(y) ? Number(x) - Number(y) : x < y ? -1 : 1;
}

/** In the order of paths a parent comes right before what is below it. */
function checkConflicts(steps: Step[]): void {
  steps.forEach(({ path, parts }, i) => {
    const before = steps[i - 1];
    if (before?.parts.every((part, at) => part === parts[at]))
      fail(40, `Updating the path '${path}' would create a conflict at '${before.path}'`);
  });
}

/** The document with one step done to it; the same object if that changes nothing, or if it may be changed in place. */
function changeDoc(doc: Doc, step: Step, at: number, situation: Situation, inPlace = false): Doc {
  const name = step.parts[at] as string;
  const old = doc.get(name);
  const value = changeValue(old, step, at + 1, situation);
  if (value === old) return doc;
  return (inPlace ? doc : doc.copy()).set(name, value);
}

/** `at` is the part of the path that leads on from the value. */
function changeValue(old: Value | undefined, step: Step, at: number, situation: Situation): Value | undefined {
  const part = step.parts[at];
  if (part === undefined) {
    const value = step.change(old, situation);
    return identical(old, value) ? old : value;
  }
  if (old instanceof Doc) return changeDoc(old, step, at, situation);
  if (Array.isArray(old)) return changeArray(old, step, at, situation);
  if (!step.creates) return old;
  const path = step.parts.slice(0, at).join('.');
  if (old !== undefined) return fail(28, `Cannot create field '${part}' in element {${path}: ${show(old)}}`);
  if (!part.startsWith('$')) return changeDoc(new Doc(), step, at, situation);
  return fail(2, `The path '${path}' must exist in the document in order to apply array updates.`);
}

/** Same value and same BSON type: then an update is no modification. */
function identical(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b || !a || !b || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) return false;
  return toBytes(new Doc().set('', a)) === toBytes(new Doc().set('', b));
}

function changeArray(values: Value[], step: Step, at: number, situation: Situation): Value[] {
  const next = values.slice();
  for (const index of arrayIndexes(values, step, at)) {
    const value = changeValue(values[index], step, at + 1, situation);
    if (value === values[index]) continue;
    while (next.length < index) next.push(null);
    next[index] = value ?? null;
  }
  return next.length === values.length && next.every((value, i) => value === values[i]) ? values : next;
}

/** Which elements one part of a path means. */
function arrayIndexes(values: Value[], { parts, creates, filters }: Step, at: number): number[] {
  const part = parts[at] as string;
  if (part === '$[]') return [...values.keys()];
  if (part.startsWith('$[')) {
    const name = part.slice(2, -1);
    return values.flatMap((value, index) => (filters.get(name)?.test(new Doc().set(name, value)) ? [index] : []));
  }
  if (!isIndex(part)) {
    if (creates) fail(28, `Cannot create field '${part}' in element {${parts.slice(0, at).join('.')}: []}`);
    return [];
  }
  const index = Number(part);
  if (index > values.length + 1_500_000) fail(2, `cannot add an element at index ${index}`);
  return index >= values.length && !creates ? [] : [index];
}

/** The document an upsert starts from: the equalities of its filter. */
export function upsertBase(filter: Node): Doc {
  let base = new Doc();
  const seen = new Set<string>();
  const collect = ({ children, op, path = '', operand }: Node): void => {
    if (op === 'and') children.forEach(collect);
    const [value, ...more] = op === 'in' ? (operand as Value[]) : [operand];
    if ((op !== 'eq' && op !== 'in') || value === undefined || more.length) return;
    if (seen.has(path)) fail(54, `cannot infer query fields to set, path '${path}' is matched twice`);
    seen.add(path);
    base = compileUpdate(new Doc().set('$set', new Doc().set(path, value))).apply(base, {
      now: new Date(0),
      inserting: true,
    });
  };
  collect(filter);
  return base;
}
