import type { Arguments } from './arguments.ts';
import type { Collection } from './collection.ts';
import type { Connection } from './connection.ts';
import type { PlainObject } from './expression.ts';
import { docToPlain } from './expression.ts';
import type { Services } from './server.ts';
import type { Transaction } from './transaction.ts';
import type { Doc, Value } from './value.ts';

/** Who a command runs for. */
export interface SessionContext {
  readonly key: string;
  readonly lsid: Value;
  readonly number: bigint | undefined;
  readonly transaction: Transaction | undefined;
}

/** One command on its way through the server. */
export interface Context {
  readonly services: Services;
  readonly connection: Connection;
  readonly args: Arguments;
  readonly name: string;
  readonly db: string;
  readonly session: SessionContext | undefined;
  /** performance.now() at which it fails with code 50; Infinity without maxTimeMS. */
  readonly deadline: number;
  /** The journal position its answer waits for; set by writes. */
  position: number;
}

export interface CommandSpec {
  /** Fields it knows beside the generic ones. */
  readonly fields: readonly string[];
  /** Its answer waits for its write concern. */
  readonly writes?: boolean;
  readonly inTransaction?: boolean;
  readonly adminOnly?: boolean;
  run(context: Context): Doc | Promise<Doc>;
}

export type Commands = Record<string, CommandSpec>;

/** The collection a command names, if it is there for who asks: one that a transaction makes is there for that one only. */
export function collectionOf({ services, db, args, session }: Context): Collection | undefined {
  const collection = services.store.find(`${db}.${args.collection()}`);
  return collection?.maker && collection.maker !== session?.transaction ? undefined : collection;
}

export function variablesOf(args: Arguments): PlainObject | undefined {
  const variables = args.optionalDoc('let');
  return variables && docToPlain(variables);
}

export const deadlineOf = ({ deadline }: Context): { deadline?: number } =>
  Number.isFinite(deadline) ? { deadline } : {};
