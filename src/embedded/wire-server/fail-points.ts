import { setTimeout } from 'node:timers/promises';
import type { Context } from './context.ts';
import { fail } from './errors.ts';
import { asNumber, asText, Doc, truthy, type Value } from './value.ts';

const KNOWN = ['failCommand', 'onPrimaryTransactionalWrite', 'failGetMoreAfterCursorCheckout'];

/** Faults that a client sets with configureFailPoint, as the drivers' tests and ours do. */
export class FailPoints {
  readonly #points = new Map<string, { readonly data: Doc; times: number; skip: number }>();

  configure(name: string, mode: Value | undefined, data: Doc): void {
    if (!KNOWN.includes(name)) fail(9, `fail point '${name}' is not supported by this server`);
    const counted = mode instanceof Doc && (mode.has('times') || mode.has('skip')) ? mode : undefined;
    if (!counted && mode !== 'off' && mode !== 'alwaysOn')
      fail(9, 'fail point mode must be alwaysOn, off, {times: n} or {skip: n}');
    const times = asNumber(counted?.get('times')) ?? Number.POSITIVE_INFINITY;
    this.#points.set(name, { data, times, skip: asNumber(counted?.get('skip')) ?? 0 });
    if (mode === 'off') this.#points.delete(name);
  }

  /** Takes one firing of a point, if it is set and `applies`. */
  fire(name: string, applies: (data: Doc) => boolean = () => true): Doc | undefined {
    const point = this.#points.get(name);
    if (!point || !applies(point.data) || point.skip-- > 0) return undefined;
    if (--point.times <= 0) this.#points.delete(name);
    return point.data;
  }

  /** What failCommand has for this command; blocking is done here. */
  async command(context: Context): Promise<Doc | undefined> {
    if (this.#points.size === 0 || context.name === 'configureFailPoint') return undefined;
    const data = this.fire('failCommand', candidate => concerns(candidate, context));
    const ms = truthy(data?.get('blockConnection')) ? asNumber(data?.get('blockTimeMS')) : undefined;
    if (ms !== undefined) await setTimeout(ms);
    return data;
  }
}

function concerns(data: Doc, { name, args, connection, db }: Context): boolean {
  const commands = data.get('failCommands');
  const ns = `${db}.${asText(args.get('collection') ?? args.body.first?.value)}`;
  const matches = (option: string, actual: string) => (data.get(option) ?? actual) === actual;
  return (
    Array.isArray(commands) &&
    commands.includes(name) &&
    matches('appName', connection.appName) &&
    matches('namespace', ns)
  );
}
