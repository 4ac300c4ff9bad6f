import { Timestamp } from 'bson';
import { words } from './context.ts';
import { fail } from './errors.ts';
import { compileFilter, isOperatorDoc, type Node } from './match.ts';
import { isIndex, splitPath } from './paths.ts';
import { operators, timestampOf } from './update-operators.ts';
import { changeDoc, KEEP, type Step, type UpdateContext } from './update-paths.ts';
import { Doc, Field, show, typeName, type Value } from './value.ts';
import { equal } from './value-order.ts';

/** Turns a document into its successor; returns the same object if nothing changes. */
export interface Update {
  readonly replacement: boolean;
  /** First parts of the paths it touches; undefined = all. */
  readonly touches: ReadonlySet<string> | undefined;
  /** Uses `$`: the filter must say which array element matched. */
  readonly positional: boolean;
  apply(doc: Doc, context: Omit<UpdateContext, 'filters'>): Doc;
}

const NOT_CREATING = new Set(words(`$unset $pull $pullAll $pop`));

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
    apply: (doc, context) => applySteps(doc, steps, { ...context, filters }),
  };
}

function applySteps(doc: Doc, steps: Step[], context: UpdateContext): Doc {
  let next = doc;
  for (const step of steps) {
    if (step.onlyOnInsert && !context.inserting) continue;
    let now = step;
    if (step.source) {
      const moved = step.source.reduce<Value | undefined>(
        (at, part) => (at instanceof Doc ? at.get(part) : undefined),
        next,
      );
      if (moved === undefined) continue;
      const taken = changeDoc(next, { ...step, parts: step.source, change: () => undefined }, 0, context);
      if (taken !== KEEP) next = taken;
      now = { ...step, change: () => moved };
    }
    const after = changeDoc(next, now, 0, context);
    if (after !== KEEP) next = after;
  }
  if (next !== doc && !context.inserting && !equal(next.get('_id') ?? null, doc.get('_id') ?? null))
    fail(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
  return next;
}

function compileReplacement(update: Doc): Update {
  const dollar = update.fields.find(field => field.name.startsWith('$'))?.name;
  if (dollar) fail(52, `The dollar ($) prefixed field '${dollar}' is not allowed in a replacement document.`);
  return {
    replacement: true,
    touches: undefined,
    positional: false,
    apply(doc, context) {
      const id = doc.get('_id');
      const wanted = update.get('_id');
      if (id !== undefined && wanted !== undefined && !equal(id, wanted))
        fail(66, "After applying the update, the (immutable) field '_id' was found to have been altered");
      const first = id ?? wanted;
      // A zero Timestamp at the top level means "now".
      const stamped = (field: Field) =>
        field.value instanceof Timestamp && field.value.isZero()
          ? new Field(field.name, timestampOf(context.now))
          : field;
      const rest = update.fields.filter(field => field.name !== '_id').map(stamped);
      return new Doc(first === undefined ? rest : [new Field('_id', first), ...rest]);
    },
  };
}

function compileArrayFilters(value: Value | undefined): Map<string, Node> {
  const filters = new Map<string, Node>();
  if (value !== undefined && !Array.isArray(value)) fail(14, 'arrayFilters must be an array');
  for (const filter of (value ?? []) as Value[]) {
    const name = filterName(filter);
    if (filters.has(name)) fail(9, `Found multiple array filters with the same top-level field name ${name}`);
    filters.set(name, compileFilter(filter as Doc));
  }
  return filters;
}

function filterName(filter: Value | undefined): string {
  const { name, value } = (filter instanceof Doc && filter.first) || {};
  if (name === undefined || (name.startsWith('$') && !Array.isArray(value)))
    return fail(9, 'Cannot use an expression without a top-level field name in arrayFilters');
  return name.startsWith('$') ? filterName((value as Value[])[0]) : (splitPath(name)[0] as string);
}

function compileOperator(name: string, operand: Value): Step[] {
  const make = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (!make) return fail(9, `Unknown modifier: ${name}. Expected a valid update modifier or a pipeline`);
  if (!(operand instanceof Doc))
    return fail(
      9,
      `Modifiers operate on fields but we found type ${typeName(operand)} instead: {${name}: ${show(operand)}}`,
    );
  return operand.fields.flatMap(({ name: path, value }): Step[] => {
    const onlyOnInsert = name === '$setOnInsert';
    const creates = !NOT_CREATING.has(name);
    const step = { path, parts: checkPath(path), change: make(value, path), creates, onlyOnInsert };
    if (name !== '$rename') return [step];
    if (typeof value !== 'string') return fail(2, `The 'to' field for $rename must be a string: ${path}`);
    if (path === value) return fail(2, `The source and target field for $rename must differ: ${path}`);
    // The first step is there for the conflict check alone; the second moves the value.
    const target = { path: value, parts: checkPath(value), source: step.parts };
    return [
      { ...step, creates: false },
      { ...step, ...target },
    ];
  });
}

function checkPath(path: string): string[] {
  const parts = splitPath(path);
  if (parts.includes('')) fail(56, `The update path '${path}' contains an empty field name, which is not allowed.`);
  const wrong = parts.find(part => part.startsWith('$') && !/^\$(\[\w*\])?$/.test(part));
  if (wrong) fail(52, `The dollar ($) prefixed field '${wrong}' in '${path}' is not allowed in an update.`);
  if (parts[0]?.startsWith('$')) fail(2, `Cannot have array filter identifier in the first position in path '${path}'`);
  return parts;
}

/** Lexicographic, numbers as numbers: the order in which MongoDB adds new fields. */
function comparePaths(a: string[], b: string[]): number {
  const at = a.findIndex((part, i) => part !== b[i]);
  const [x, y] = [a[at], b[at]];
  if (x === undefined || y === undefined) return a.length - b.length;
  return isIndex(x) && isIndex(y) ? Number(x) - Number(y) : x < y ? -1 : 1;
}

function checkConflicts(steps: Step[]): void {
  const paths = steps.map(step => step.path).sort();
  paths.forEach((path, i) => {
    const parent = paths.find((other, j) => (other === path ? j < i : path.startsWith(`${other}.`)));
    if (parent !== undefined) fail(40, `Updating the path '${path}' would create a conflict at '${parent}'`);
  });
}
