import type { Context } from './context.ts';
import { CommandError, fail } from './errors.ts';
import { asNumber, asText, Doc, truthy, type Value } from './value.ts';

interface FailPoint {
  readonly data: Doc;
  /** How often it still fires; Infinity = always. */
  times: number;
  skip: number;
}

const KNOWN = new Set(['failCommand', 'onPrimaryTransactionalWrite', 'failGetMoreAfterCursorCheckout']);

/** What a fail point makes of a command. */
export interface Failure {
  readonly close: boolean;
  readonly error: CommandError | undefined;
  readonly writeConcernError: Doc | undefined;
  readonly labels: string[] | undefined;
}

/** Faults that a client sets with configureFailPoint, as the drivers' tests and ours do. */
export class FailPoints {
  readonly #points = new Map<string, FailPoint>();

  configure(name: string, mode: Value | undefined, data: Doc): void {
    if (!KNOWN.has(name)) fail(9, `fail point '${name}' is not supported by this server`);
    if (mode === 'off') this.#points.delete(name);
    else if (mode === 'alwaysOn') this.#points.set(name, { data, times: Number.POSITIVE_INFINITY, skip: 0 });
    else if (mode instanceof Doc && (mode.has('times') || mode.has('skip'))) {
      const times = asNumber(mode.get('times'));
      this.#points.set(name, { data, times: times ?? Number.POSITIVE_INFINITY, skip: asNumber(mode.get('skip')) ?? 0 });
    } else fail(9, 'fail point mode must be alwaysOn, off, {times: n} or {skip: n}');
  }

  /** Takes one firing of a point, if it is set and `applies`. */
  fire(name: string, applies: (data: Doc) => boolean = () => true): Doc | undefined {
    const point = this.#points.get(name);
    if (!point || !applies(point.data)) return undefined;
    if (point.skip > 0) {
      point.skip--;
      return undefined;
    }
    if (--point.times <= 0) this.#points.delete(name);
    return point.data;
  }

  /** What failCommand does to this command; blocking is done here. */
  async command(context: Context): Promise<Failure | undefined> {
    if (this.#points.size === 0 || context.name === 'configureFailPoint') return undefined;
    const data = this.fire('failCommand', candidate => concerns(candidate, context));
    if (!data) return undefined;
    if (truthy(data.get('blockConnection'))) {
      await new Promise(resolve => setTimeout(resolve, asNumber(data.get('blockTimeMS')) ?? 0));
    }
    const labels = data.get('errorLabels');
    const code = asNumber(data.get('errorCode'));
    const writeConcernError = data.get('writeConcernError');
    return {
      close: truthy(data.get('closeConnection')),
      error: code === undefined ? undefined : new CommandError(code, "Failing command via 'failCommand' failpoint"),
      writeConcernError: writeConcernError instanceof Doc ? writeConcernError : undefined,
      labels: Array.isArray(labels) ? labels.map(String) : undefined,
    };
  }
}

function concerns(data: Doc, { name, args, connection, db }: Context): boolean {
  const commands = data.get('failCommands');
  if (!Array.isArray(commands) || !commands.includes(name)) return false;
  const appName = data.get('appName');
  if (appName !== undefined && appName !== connection.appName) return false;
  const namespace = data.get('namespace');
  return (
    namespace === undefined || namespace === `${db}.${asText(args.body.get('collection') ?? args.body.first?.value)}`
  );
}
