/** Every error that LedgerMQ raises by itself: a stable `code`, a message that says what to do, a `cause` where one is known. */
export class LedgerError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LedgerError';
    this.code = code;
  }
}

/** MongoDB did not answer in time or not at all; whether the write took place is unknown. */
export class StorageUnavailableError extends LedgerError {
  constructor(what: string, options?: ErrorOptions) {
    super('storage-unavailable', `MongoDB did not answer: ${what}`, options);
    this.name = 'StorageUnavailableError';
  }
}

/** The configuration cannot be used; `problems` lists everything that is wrong with it, one line each. */
export class ConfigError extends LedgerError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('invalid-configuration', `Configuration refused:\n${problems.map(problem => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** A request is well formed, but a rule refuses one of its values. `slug` is the problem type of the HTTP API. */
export class RefusedError extends LedgerError {
  readonly pointer: string | undefined;

  constructor(slug: string, message: string, pointer?: string) {
    super(slug, message);
    this.name = 'RefusedError';
    this.pointer = pointer;
  }
}

/** A short, safe text of anything that was thrown: strings, `undefined` and cyclic objects included. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return String(thrown.message || thrown.name);
  if (typeof thrown === 'string') return thrown;
  if (thrown === undefined) return 'undefined was thrown';
  try {
    const text: string | undefined = JSON.stringify(thrown);
    if (text !== undefined) return text;
  } catch {
    // A cycle, a BigInt, a toJSON that throws: its kind must do.
  }
  return Object.prototype.toString.call(thrown);
}
