import { setTimeout } from 'node:timers/promises';
import { fail } from '../documents/errors.ts';
import { asNumber, asText, Doc, truthy, type Value } from '../documents/value.ts';
import type { Context } from './context.ts';

export const KNOWN_FAIL_POINTS = ['failCommand', 'onPrimaryTransactionalWrite', 'failGetMoreAfterCursorCheckout'];

/** Thrown where a fail point wants the connection closed in the middle of a command. */
export class CloseConnection extends Error {}

/** Faults that a client sets with configureFailPoint, as the drivers' tests and ours do. */
export class FailPoints {
  readonly #points = new Map<string, { readonly data: Doc; times: number; skip: number }>();
  readonly #fired = new Map<string, number>();

  /** Answers how often the point has fired so far. */
  configure(name: string, mode: Value | undefined, data: Doc): number {
    if (!KNOWN_FAIL_POINTS.includes(name)) fail(9, `fail point '${name}' is not supported by this server`);
    const count = (what: string) => (mode instanceof Doc ? asNumber(mode.get(what)) : undefined);
    const [times, skip] = [count('times'), count('skip')];
    if ((times ?? skip) === undefined && mode !== 'off' && mode !== 'alwaysOn')
      fail(9, 'fail point mode must be alwaysOn, off, {times: n} or {skip: n}');
    if (mode === 'off') this.#points.delete(name);
    else this.#points.set(name, { data, times: times ?? Number.POSITIVE_INFINITY, skip: skip ?? 0 });
    return this.#fired.get(name) ?? 0;
  }

  fire(name: string, applies: (data: Doc) => boolean = () => true): Doc | undefined {
    const point = this.#points.get(name);
    if (!point || !applies(point.data) || point.skip-- > 0) return undefined;
    if (--point.times <= 0) this.#points.delete(name);
    this.#fired.set(name, (this.#fired.get(name) ?? 0) + 1);
    return point.data;
  }

  /** What failCommand has for this command; blocking is done here. */
  async command({ name, args, connection, db }: Context): Promise<Doc | undefined> {
    const ns = `${db}.${asText(args.get('collection') ?? args.body.first?.value)}`;
    const actual = { appName: connection.appName, namespace: ns };
    const data = this.fire('failCommand', wanted => {
      const commands = wanted.get('failCommands');
      const isNamed = Array.isArray(commands) && commands.includes(name) && name !== 'configureFailPoint';
      return isNamed && Object.entries(actual).every(([option, value]) => (wanted.get(option) ?? value) === value);
    });
    if (data && truthy(data.get('blockConnection'))) await setTimeout(asNumber(data.get('blockTimeMS')));
    return data;
  }
}
