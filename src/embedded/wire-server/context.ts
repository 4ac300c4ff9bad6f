import { fail, unsupported } from '../documents/errors.ts';
import { asNumber, Doc, show, truthy, typeName, type Value } from '../documents/value.ts';
import type { Collection } from './collection.ts';
import type { Connection } from './connection.ts';
import type { Services } from './server.ts';
import type { Session } from './sessions.ts';
import type { Transaction } from './transaction.ts';

/** Reads the typed fields of a command; a wrong type is an error (14), as on a real server. */
export class Arguments {
  readonly body: Doc;
  readonly command: string;

  constructor(body: Doc, command: string) {
    this.body = body;
    this.command = command;
  }

  get(name: string): Value | undefined {
    return this.body.get(name);
  }

  /** A field that may be missing or null, else `is` must hold. */
  #typed<T extends Value>(name: string, type: string, is: (value: Value) => value is T): T | undefined {
    const value = this.body.get(name);
    if (value === undefined || value === null || is(value)) return value ?? undefined;
    return fail(14, `${this.#named(name)} is the wrong type '${typeName(value)}', expected type '${type}'`);
  }

  #named(name: string): string {
    return `BSON field '${this.command}.${name}'`;
  }

  missing(name: string): never {
    return fail(40414, `${this.#named(name)} is missing but a required field`);
  }

  optionalDoc(name: string): Doc | undefined {
    return this.#typed(name, 'object', value => value instanceof Doc);
  }

  doc(name: string): Doc {
    return this.optionalDoc(name) ?? new Doc();
  }

  requiredDoc(name: string): Doc {
    return this.optionalDoc(name) ?? this.missing(name);
  }

  string(name: string): string {
    return this.#typed(name, 'string', value => typeof value === 'string') ?? this.missing(name);
  }

  optionalNumber(name: string): number | undefined {
    return asNumber(this.#typed(name, 'number', (value): value is Value => asNumber(value) !== undefined));
  }

  count(name: string, otherwise = 0): number {
    const value = this.optionalNumber(name) ?? otherwise;
    if (value < 0) fail(51024, `${this.#named(name)} value must be >= 0, actual value '${value}'`);
    return Math.trunc(value);
  }

  boolean(name: string, otherwise = false): boolean {
    const isFlag = (value: Value): value is Value => typeof value === 'boolean' || asNumber(value) !== undefined;
    return truthy(this.#typed(name, 'bool', isFlag) ?? otherwise);
  }

  docs(name: string): Doc[] {
    const isList = (value: Value): value is Doc[] => Array.isArray(value) && value.every(item => item instanceof Doc);
    return this.#typed(name, 'array', isList) ?? this.missing(name);
  }

  /** The collection a command names as the value of its own name. */
  collection(): string {
    const value = this.body.first?.value;
    if (typeof value === 'string' && value !== '' && !value.includes('\0') && !value.startsWith('.')) return value;
    return fail(73, `Invalid namespace specified: ${show(value)}`);
  }

  /** Refuses what is not known: silence would look like success. There is no collation but the simple one. */
  allow(names: ReadonlySet<string>, refused: readonly string[] = []): this {
    for (const { name, value } of this.body.fields) {
      if (refused.includes(name) && value !== false) unsupported(this.#named(name));
      if (!names.has(name)) fail(40415, `${this.#named(name)} is an unknown field.`);
    }
    const locale = this.optionalDoc('collation')?.get('locale') ?? 'simple';
    if (locale !== 'simple') unsupported('a collation other than simple');
    return this;
  }
}

export interface Context {
  readonly services: Services;
  readonly connection: Connection;
  readonly args: Arguments;
  readonly name: string;
  readonly db: string;
  readonly session?: Session | undefined;
  readonly number?: bigint | undefined;
  readonly transaction?: Transaction | undefined;
  /** performance.now() at which it fails with code 50; Infinity without maxTimeMS. */
  deadline: number;
  /** The journal position its answer waits for; set by writes. */
  position: number;
  /** It is about a change stream: its errors say whether to open it again. */
  streams?: boolean | undefined;
}

export interface CommandSpec {
  /** Fields it knows beside the generic ones. */
  readonly fields: string;
  /** Fields that MongoDB has and this server has not. */
  readonly refused?: string;
  /** Its answer waits for its write concern. */
  readonly writes?: boolean;
  readonly inTransaction?: boolean;
  readonly adminOnly?: boolean;
  /** Served also while the server is not primary. */
  readonly anywhere?: boolean;
  run(context: Context): Doc | Promise<Doc>;
}

export type Commands = Record<string, CommandSpec>;

/** The collection a command names, if it is there for who asks: one that a transaction makes is there for that one only. */
export function collectionOf({ services, db, args, transaction }: Context): Collection | undefined {
  const ns = `${db}.${args.collection()}`;
  return transaction?.made.get(ns) ?? services.store.collections.get(ns);
}
