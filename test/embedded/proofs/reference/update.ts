import mongoose from 'mongoose';
import { isOperators } from './match.ts';
import { compare, copy, type Doc, isDoc, isNumeric, type Numeric, numberOf, type Value } from './values.ts';

const { Double, Int32, Long } = mongoose.mongo;

/** What a real server would answer with this code. */
export class ModelError extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`error ${code}`);
    this.code = code;
  }
}

interface Step {
  readonly operator: string;
  readonly path: readonly string[];
  readonly operand: Value;
}

/** @throws ModelError 40 when two steps touch the same path, or one a part of the other's */
export function stepsOf(update: Doc): Step[] {
  const steps = Object.entries(update).flatMap(([operator, fields]) =>
    Object.entries(fields as Doc).map(([path, operand]) => ({ operator, path: path.split('.'), operand })),
  );
  for (const [n, { path }] of steps.entries()) {
    if (steps.some((other, m) => m !== n && path.every((part, at) => part === other.path[at])))
      throw new ModelError(40);
  }
  return steps.sort((a, b) => comparePaths(a.path, b.path));
}

function comparePaths(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((part, n) => part !== b[n]);
  return a[at]! < b[at]! ? -1 : 1;
}

/** The document after the update; new fields come in the order of their paths. */
export function updated(doc: Doc, update: Doc, inserting: boolean): Doc {
  const result = copy(doc);
  for (const { operator, path, operand } of stepsOf(update)) {
    if (operator === '$setOnInsert' && !inserting) continue;
    const creates = operator !== '$unset';
    const parent = parentOf(result, path, creates);
    if (parent) change(parent, path.at(-1)!, operator, operand);
  }
  return result;
}

/** What an upsert starts from: the equalities of the filter. */
export function upsertBase(filter: Doc): Doc {
  const base: Doc = {};
  const collect = (part: Doc) => {
    for (const [name, condition] of Object.entries(part)) {
      if (name === '$and') for (const inner of condition as Doc[]) collect(inner);
      else if (name.startsWith('$')) continue;
      else if (!isOperators(condition)) put(base, name, condition);
      else if ('$eq' in (condition as Doc)) put(base, name, (condition as Doc).$eq);
    }
  };
  collect(filter);
  return base;
}

function put(base: Doc, name: string, value: Value): void {
  const path = name.split('.');
  const parent = parentOf(base, path, true)!;
  set(parent, path.at(-1)!, copy(value));
}

type Container = Doc | Value[];

/** The document or array that holds the last part of the path; null when it is not there and is not to be made. */
function parentOf(doc: Doc, path: readonly string[], creates: boolean): Container | null {
  let node: Container = doc;
  for (const [at, part] of path.slice(0, -1).entries()) {
    let inner: Value = get(node, part);
    if (inner === undefined) {
      if (!creates) return null;
      inner = {};
      set(node, part, inner);
    }
    const isViable = isDoc(inner) || (Array.isArray(inner) && /^\d+$/.test(path[at + 1]!));
    if (!isViable && creates) throw new ModelError(28);
    if (!isViable) return null;
    node = inner as Container;
  }
  return node;
}

function get(node: Container, part: string): Value {
  return Array.isArray(node) ? node[Number(part)] : node[part];
}

function set(node: Container, part: string, value: Value): void {
  if (!Array.isArray(node)) {
    node[part] = value;
    return;
  }
  while (node.length < Number(part)) node.push(null);
  node[Number(part)] = value;
}

function change(node: Container, part: string, operator: string, operand: Value): void {
  const old = get(node, part);
  if (old === undefined && operator === '$unset') return;
  if (operator === '$unset' && !Array.isArray(node)) delete node[part];
  else set(node, part, successor(old, operator, operand));
}

function successor(old: Value, operator: string, operand: Value): Value {
  switch (operator) {
    case '$set':
    case '$setOnInsert':
      return copy(operand);
    case '$unset':
      return null;
    case '$inc':
      return old === undefined ? operand : sum(old, operand as Numeric);
    case '$min':
      return old === undefined || compare(operand, old) < 0 ? copy(operand) : old;
    case '$max':
      return old === undefined || compare(operand, old) > 0 ? copy(operand) : old;
    case '$push':
      return grown(old === undefined ? [] : arrayOf(old), operand);
    default:
      throw new Error(`the model does not know ${operator}`);
  }
}

function sum(old: Value, operand: Numeric): Numeric {
  if (!isNumeric(old)) throw new ModelError(14);
  if (old instanceof Double || operand instanceof Double)
    return new Double(Number(numberOf(old)) + Number(numberOf(operand)));
  const result = BigInt(numberOf(old)) + BigInt(numberOf(operand));
  if (BigInt.asIntN(64, result) !== result) throw new ModelError(2);
  const isInt = old instanceof Int32 && operand instanceof Int32 && BigInt.asIntN(32, result) === result;
  return isInt ? new Int32(Number(result)) : Long.fromBigInt(result);
}

function arrayOf(value: Value): Value[] {
  if (!Array.isArray(value)) throw new ModelError(2);
  return value;
}

function grown(old: readonly Value[], operand: Value): Value[] {
  const modifiers = isDoc(operand) && '$each' in operand ? operand : { $each: [operand] };
  const items = copy(modifiers.$each) as Value[];
  const next = [...old, ...items];
  const slice = '$slice' in modifiers ? Number(modifiers.$slice) : undefined;
  if (slice === undefined) return next;
  return slice < 0 ? next.slice(slice) : next.slice(0, slice);
}
