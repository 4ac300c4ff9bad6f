import { fail } from './errors.ts';

import { asNumber, Doc, truthy, typeName, type Value } from './value.ts';

/** A list written as one text: fifty names fit into a few lines. */
export const words = (text: string): string[] => text.split(/\s+/);

/** Reads the typed fields of a command; a wrong type is an error (14), as on a real server. */
export class Arguments {
  readonly body: Doc;
  readonly command: string;

  constructor(body: Doc, command: string) {
    this.body = body;
    this.command = command;
  }

  #wrong(name: string, expected: string): never {
    return fail(
      14,
      `BSON field '${this.command}.${name}' is the wrong type '${typeName(this.body.get(name))}', expected type '${expected}'`,
    );
  }

  get(name: string): Value | undefined {
    return this.body.get(name);
  }

  optionalDoc(name: string): Doc | undefined {
    const value = this.body.get(name);
    if (value === undefined || value === null) return undefined;
    return value instanceof Doc ? value : this.#wrong(name, 'object');
  }

  doc(name: string): Doc {
    return this.optionalDoc(name) ?? new Doc();
  }

  requiredDoc(name: string): Doc {
    return this.optionalDoc(name) ?? this.missing(name);
  }

  missing(name: string): never {
    return fail(40414, `BSON field '${this.command}.${name}' is missing but a required field`);
  }

  optionalString(name: string): string | undefined {
    const value = this.body.get(name);
    if (value === undefined || value === null) return undefined;
    return typeof value === 'string' ? value : this.#wrong(name, 'string');
  }

  string(name: string): string {
    return this.optionalString(name) ?? this.missing(name);
  }

  optionalNumber(name: string): number | undefined {
    const value = this.body.get(name);
    if (value === undefined || value === null) return undefined;
    return asNumber(value) ?? this.#wrong(name, 'number');
  }

  /** A count: an integer >= 0. */
  count(name: string, otherwise = 0): number {
    const value = this.optionalNumber(name);
    if (value === undefined) return otherwise;
    if (value < 0) return fail(51024, `BSON field '${name}' value must be >= 0, actual value '${value}'`);
    return Math.trunc(value);
  }

  boolean(name: string, otherwise = false): boolean {
    const value = this.body.get(name);
    if (value === undefined || value === null) return otherwise;
    if (typeof value !== 'boolean' && asNumber(value) === undefined) return this.#wrong(name, 'bool');
    return truthy(value);
  }

  docs(name: string): Doc[] {
    const value = this.body.get(name);
    if (value === undefined) return this.missing(name);
    if (!Array.isArray(value)) return this.#wrong(name, 'array');
    return value.map(item => (item instanceof Doc ? item : this.#wrong(name, 'object')));
  }

  /** The collection a command names as the value of its own name. */
  collection(): string {
    const value = this.body.first?.value;
    if (typeof value !== 'string') return fail(73, `collection name has invalid type ${typeName(value)}`);
    if (value === '' || value.includes('\0') || value.startsWith('.'))
      return fail(73, `Invalid namespace specified '${value}'`);
    return value;
  }

  /** Refuses what the command does not know: silence would look like success. */
  allow(names: ReadonlySet<string>): void {
    for (const { name } of this.body.fields) {
      if (!names.has(name) && !GENERIC.has(name))
        fail(40415, `BSON field '${this.command}.${name}' is an unknown field.`);
    }
  }
}

/** Fields that any command may carry. */
const GENERIC = new Set(
  words(`$db $readPreference $clusterTime $audit $client $configServerState lsid txnNumber autocommit
  startTransaction readConcern writeConcern maxTimeMS comment apiVersion apiStrict apiDeprecationErrors
  help maxTimeMSOpOnly mayBypassWriteBlocking`),
);
