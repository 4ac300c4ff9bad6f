import type { CommandSpec, Context } from './context.ts';
import { codeName, fail } from './errors.ts';
import { asNumber, asText, type Doc, doc, show, truthy } from './value.ts';

const READ_LEVELS = new Set(['local', 'available', 'majority', 'linearizable', 'snapshot']);

/** Refuses read and write concerns where a real server does. */
export function checkConcerns({ args, name, session }: Context, spec: CommandSpec): void {
  const read = args.optionalDoc('readConcern');
  const level = read?.get('level');
  if (level !== undefined && !READ_LEVELS.has(asText(level)))
    fail(9, `Enumeration value ${show(level)} for field 'readConcern.level' is not a valid value.`);
  const write = args.optionalDoc('writeConcern');
  const ends = name === 'commitTransaction' || name === 'abortTransaction';
  if (session?.transaction && !ends) {
    if (write) fail(72, 'writeConcern is not allowed within a multi-statement transaction');
    if (read && args.get('startTransaction') === undefined)
      fail(72, 'Only the first command in a transaction may specify a readConcern');
    if (level !== undefined && level !== 'local' && level !== 'majority' && level !== 'snapshot')
      fail(72, "The readConcern level must be 'local' (default), 'majority' or 'snapshot' in a transaction");
    return;
  }
  if (write && !spec.writes && !ends && name !== 'aggregate') fail(72, `Command ${name} does not support writeConcern`);
  // Outside a transaction such a read is served like a local one: what it sees may be of several moments.
  if (level === 'snapshot' && !['find', 'aggregate', 'distinct'].includes(name))
    fail(72, `Command ${name} does not support read concern snapshot`);
}

/**
 * Holds the reply until its concern is met: w:1 until write() has taken the frame, everything else (none = majority)
 * until fdatasync has. A majority read waits for what it may have seen.
 */
export async function awaitConcern(
  { services, args, session, name, position }: Context,
  spec: CommandSpec,
  reply: Doc,
): Promise<void> {
  const { journal } = services.store;
  const readLevel = args.optionalDoc('readConcern')?.get('level');
  if (!spec.writes) {
    if (readLevel === 'majority' || readLevel === 'linearizable') await journal.durable(services.store.position);
    return;
  }
  if (session?.transaction && name !== 'commitTransaction') return;
  const concern = args.doc('writeConcern');
  const w = concern.get('w');
  if (asNumber(w) === 0) return;
  if (asNumber(w) === 1 && !truthy(concern.get('j'))) await journal.written(position);
  else await journal.durable(position);
  const impossible = typeof w === 'string' ? w !== 'majority' : (asNumber(w) ?? 1) > 1;
  if (!impossible) return;
  const code = typeof w === 'string' ? 79 : 100;
  const errmsg =
    code === 79
      ? `No write concern mode named ${show(w)} found in replica set configuration`
      : 'Not enough data-bearing nodes';
  reply.set('writeConcernError', doc({ code, codeName: codeName(code), errmsg, errInfo: { writeConcern: concern } }));
}
